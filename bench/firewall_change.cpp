// What a change of the firewall costs with few and with many sandboxes, on a private machine of its own.
//
//   bench_firewall_change ROUNDS SLOTS...
//
// For each number of slots, that many sandboxes with a policy and a published port; then ROUNDS times, in turn: floor
// (one element added to a set of a table that nobody else uses, and deleted again), set_egress (an allow-list with
// ports and off again), publish and unpublish of one port, each timed alone from the call to its result. One line of
// JSON with every time in microseconds.
#include "integration/network/lab.hpp"
#include "network/nft.hpp"

#include <boost/json.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

namespace {

namespace json = boost::json;
using namespace sandboxd;

constexpr const char* kScratch = "bench_floor";

class Bench {
 public:
  Bench() : lab_("10.77.0.0/16") {
    nft_.run("add table inet " + std::string(kScratch) + "\nadd set inet " + kScratch + " s { type ipv4_addr; }\n")
        .value();
  }

  void grow(std::size_t slots) {
    while (slots_.size() < slots) {
      char name[32];
      std::snprintf(name, sizeof name, "sbxt-%08x", static_cast<unsigned>(slots_.size()));
      slots_.push_back(lab_.call(lab_.network().make_slot(name)).value());
      lab_.call(lab_.network().set_egress(slots_.back(), listed())).value();
      lab_.call(lab_.network().publish(slots_.back(), {port(static_cast<int>(slots_.size()))})).value();
    }
  }

  json::object measure(int rounds) {
    json::object times;
    for (int round = 0; round < rounds; ++round) {
      const ports::NetworkSlot& slot = slots_[static_cast<std::size_t>(round) % slots_.size()];
      floor(times);
      model::EgressPolicy off;
      time(times, "set_egress", [&] { lab_.call(lab_.network().set_egress(slot, off)).value(); });
      time(times, "set_egress", [&] { lab_.call(lab_.network().set_egress(slot, listed())).value(); });
      time(times, "unpublish", [&] { lab_.call(lab_.network().unpublish(slot)).value(); });
      const int number = round % static_cast<int>(slots_.size()) + 1;
      time(times, "publish", [&] { lab_.call(lab_.network().publish(slot, {port(number)})).value(); });
    }
    return times;
  }

 private:
  static model::PublishedPort port(int number) { return {20000 + number, 80, model::Protocol::tcp}; }

  static model::EgressPolicy listed() {
    model::EgressPolicy policy;
    policy.mode = model::EgressMode::allow_list;
    policy.allow_cidrs = {"203.0.113.0/24:443/tcp", "198.51.100.0/24"};
    return policy;
  }

  template <class Work>
  static void time(json::object& times, const char* what, Work work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
    json::value& list = times[what];
    if (!list.is_array()) list.emplace_array();
    list.get_array().emplace_back(took.count());
  }

  void floor(json::object& times) {
    const std::string element = " element inet " + std::string(kScratch) + " s { 192.0.2.1 }\n";
    for (const char* verb : {"add", "delete"}) time(times, "floor", [&] { nft_.run(verb + element).value(); });
  }

  test::HostLab lab_;
  network::Nft nft_;
  std::vector<ports::NetworkSlot> slots_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: bench_firewall_change ROUNDS SLOTS...\n");
    return 2;
  }
  try {
    test::enter_private_machine();
    Bench bench;
    json::object results;
    for (int i = 2; i < argc; ++i) {
      bench.grow(static_cast<std::size_t>(std::atoi(argv[i])));
      results[argv[i]] = bench.measure(std::atoi(argv[1]));
    }
    std::printf("%s\n", json::serialize(results).c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
