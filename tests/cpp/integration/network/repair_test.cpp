// What other programs do to our tables is taken back, and only that.
#include "integration/network/lab.hpp"
#include "integration/network/packets.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace sandboxd::test {
namespace {

using Kind = EchoServer::Kind;
using model::Protocol;
using model::PublishedPort;

// Rules and elements of all of our tables, without handles and counters.
std::string rules() {
  std::string text;
  for (const char* family : {"inet", "bridge", "netdev"})
    text += sh_output("nft -s list table " + std::string(family) + " sandboxd_t 2>/dev/null || true");
  return text;
}

// Every table that is made on this machine gets the next number.
int table_number() {
  return std::stoi(sh_output("nft -a list table inet sandboxd_t | sed -n 's/^table inet.*# handle //p'"));
}

class Repair : public ::testing::Test {
 protected:
  void SetUp() override {
    model::EgressPolicy open;
    open.mode = model::EgressMode::public_internet;
    slot = lab.call(lab.network().make_slot("sbxt-00000001")).value();
    lab.call(lab.network().set_egress(slot, open)).value();
    lab.call(lab.network().publish(slot, {PublishedPort{18080, 80, Protocol::tcp}})).value();
    whole = rules();
  }
  // The watch works by itself; how soon is up to the scheduler, so look until the tables are whole again.
  [[nodiscard]] bool repaired() const {
    const auto limit = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < limit) {
      if (rules() == whole) return true;
    }
    return false;
  }
  // How far table_number() moves when the tables are put back once.
  int step_of_a_repair() {
    const int before = table_number();
    lab.call(lab.network().start()).value();
    return table_number() - before;
  }

  HostLab lab;
  ports::NetworkSlot slot;
  std::string whole;
};

TEST_F(Repair, AnyChangeByAnotherProgramIsTakenBack) {
  const std::string bound = sh_output("nft list set netdev sandboxd_t bound | sed -n 's/.*elements = //p'");
  const std::vector<std::string> changes{
      "flush chain inet sandboxd_t from_sandbox",
      "flush table inet sandboxd_t",
      "flush table bridge sandboxd_t",
      "delete chain netdev sandboxd_t ingress",
      "flush set inet sandboxd_t special",
      "delete element inet sandboxd_t dnat_tcp { 18080 }",
      "delete element netdev sandboxd_t bound " + bound,
      "insert rule inet sandboxd_t from_sandbox accept",
      "add element inet sandboxd_t egress_public { 10.77.0.200 }",
      "delete table netdev sandboxd_t",
      "add table inet sandboxd_t { flags dormant; }",
  };
  for (const std::string& change : changes) {
    sh("nft '" + change + "'");
    EXPECT_TRUE(repaired()) << "after `nft " << change << "` the tables stay as\n" << rules();
  }
}

TEST_F(Repair, ASingleRuleByItsHandleComesBackAndIsInForce) {
  EchoServer host_server("", Kind::tcp, "0.0.0.0", 2222);
  const std::string number =
      sh_output("nft -a list chain inet sandboxd_t input | sed -n 's/.*jump to_host # handle //p'");
  sh("nft delete rule inet sandboxd_t input handle " + number);
  ASSERT_TRUE(repaired());
  EXPECT_EQ(tcp_ask_from(slot.namespace_path, kHostAddress, 2222), "refused");
}

TEST_F(Repair, OurOwnChangesAndThoseOfOtherTablesCauseNone) {
  const int step = step_of_a_repair();
  int number = table_number();
  const auto other = lab.call(lab.network().make_slot("sbxt-00000002")).value();
  lab.call(lab.network().set_egress(other, model::EgressPolicy{})).value();
  lab.call(lab.network().publish(other, {PublishedPort{18081, 80, Protocol::tcp}})).value();
  lab.call(lab.network().unpublish(other)).value();
  lab.call(lab.network().destroy_slot(other.name)).value();
  sh("nft 'add table inet sandboxd_tt; flush table inet sandboxd_tt; delete table inet sandboxd_tt'");
  ++number;  // that table
  // Twice: what the first repair causes by itself would show after the second at the latest.
  for (int round = 0; round < 2; ++round) {
    sh("nft flush chain inet sandboxd_t to_sandbox");
    ASSERT_TRUE(repaired());
    number += step;
    EXPECT_EQ(table_number(), number) << "round " << round;
  }
}

TEST_F(Repair, ARestartedAgentWatchesToo) {
  lab.reopen();
  sh("nft flush chain inet sandboxd_t from_sandbox");
  EXPECT_TRUE(repaired());
}

}  // namespace
}  // namespace sandboxd::test
