#include "node/slot_pool.hpp"

#include "aio/shield.hpp"
#include "base/log.hpp"

#include <algorithm>
#include <utility>

namespace sandboxd::node {
namespace {

constexpr Log kLog("node.slots");
constexpr Duration kPauseMin = std::chrono::milliseconds(500);
constexpr Duration kPauseMax = std::chrono::seconds(30);

}  // namespace

SlotPool::SlotPool(boost::asio::any_io_executor executor, ports::Clock& clock, ports::SandboxNetwork& network,
                   Random& random, Options options)
    : clock_(clock),
      network_(network),
      random_(random),
      options_(std::move(options)),
      wanted_(executor),
      tasks_(executor) {}

bool SlotPool::adopt(ports::NetworkSlot slot) {
  if (free_.size() + making_.size() >= options_.size) return false;
  free_.push_back(std::move(slot));
  return true;
}

void SlotPool::start() {
  for (std::size_t i = 0; i < options_.parallel; ++i) tasks_.spawn("slot pool", fill());
}

Task<void> SlotPool::stop() {
  tasks_.cancel();
  co_await tasks_.join();
}

Task<void> SlotPool::drain() {
  while (!free_.empty()) {
    const ports::NetworkSlot slot = free_.front();
    free_.pop_front();
    auto destroyed = co_await network_.destroy_slot(slot.name);
    if (!destroyed) kLog.warn("slot left behind", {{"slot", slot.name}, {"error", destroyed.error().message()}});
  }
}

std::optional<ports::NetworkSlot> SlotPool::take() {
  if (free_.empty()) return std::nullopt;
  ports::NetworkSlot slot = std::move(free_.front());
  free_.pop_front();
  wanted_.notify();
  return slot;
}

void SlotPool::give_back(ports::NetworkSlot slot) {
  if (free_.size() + making_.size() < options_.size) free_.push_front(std::move(slot));
}

std::string SlotPool::new_name() { return "sbx" + options_.instance + "-" + random_.hex(8); }

bool SlotPool::owns(const std::string& name) const {
  return making_.contains(name) ||
         std::any_of(free_.begin(), free_.end(), [&](const auto& slot) { return slot.name == name; });
}

bool SlotPool::wants_more() const {
  const std::size_t have = free_.size() + making_.size();
  const std::int64_t taken =
      static_cast<std::int64_t>(have) + (options_.addresses_used ? options_.addresses_used() : 0);
  return have < options_.size && taken < network_.usable_addresses();
}

Task<void> SlotPool::fill() {
  Duration pause = kPauseMin;
  for (;;) {
    while (!wants_more()) co_await wanted_.wait();
    const std::string name = new_name();
    making_.insert(name);
    // Shielded: a slot that is being made when the agent stops is complete, or gone, when it has stopped.
    auto made = co_await aio::shield(network_.make_slot(name));
    making_.erase(name);
    if (made) {
      pause = kPauseMin;
      free_.push_back(*std::move(made));
      continue;
    }
    kLog.warn("no network slot made ahead", {{"slot", name}, {"error", made.error().message()}});
    co_await clock_.sleep_for(pause);
    pause = std::min(pause * 2, kPauseMax);
  }
}

}  // namespace sandboxd::node
