#include "orch/node_links.hpp"

#include "aio/deadline.hpp"
#include "base/log.hpp"
#include "liveness/heartbeats.hpp"

#include <algorithm>

namespace sandboxd::orch {
namespace {

constexpr Log kLog("orch");
constexpr Duration kPauseMin = std::chrono::milliseconds(200);
constexpr Duration kPauseMax = std::chrono::seconds(5);

}  // namespace

NodeLinks::NodeLinks(boost::asio::any_io_executor executor, ports::NodeTransport& transport, ports::Clock& clock,
                     Inbox& inbox, Duration open_timeout, std::uint64_t seed)
    : executor_(std::move(executor)),
      transport_(transport),
      clock_(clock),
      inbox_(inbox),
      open_timeout_(open_timeout),
      random_(seed) {}

void NodeLinks::open(const NodeId& node, model::NodeAddress address) {
  close(node);
  auto group = std::make_unique<aio::TaskGroup>(executor_);
  group->spawn("node stream", follow(node, std::move(address)));
  links_[node] = std::move(group);
}

void NodeLinks::close(const NodeId& node) {
  ending_.remove_if([](const auto& group) { return group->size() == 0; });
  const auto found = links_.find(node);
  if (found == links_.end()) return;
  found->second->cancel();
  ending_.push_back(std::move(found->second));
  links_.erase(found);
}

void NodeLinks::cancel() {
  for (auto& [node, group] : links_) {
    group->cancel();
    ending_.push_back(std::move(group));
  }
  links_.clear();
}

Task<void> NodeLinks::join() {
  while (!ending_.empty()) {
    auto group = std::move(ending_.front());
    ending_.pop_front();
    co_await group->join();
  }
}

Duration NodeLinks::pause_length(int failures) {
  const Duration longest = std::min(kPauseMax, kPauseMin * (1 << std::min(failures, 8)));
  const auto half = static_cast<std::uint64_t>(longest.count() / 2);
  return Duration(static_cast<std::int64_t>(half + random_.below(half + 1)));
}

Task<void> NodeLinks::follow(NodeId node, model::NodeAddress address) {
  for (int failures = 0;; ++failures) {
    auto opening = transport_.watch(address);
    auto opened = co_await aio::with_deadline(clock_, open_timeout_, std::move(opening), "open watch stream");
    if (opened) {
      auto watch = *std::move(opened);
      const bool spoke = co_await read(node, std::move(watch));
      if (spoke) failures = 0;
    } else {
      if (failures == 0) {
        kLog.warn("node stream cannot be opened", {{"node", node.str()}, {"error", opened.error().message()}});
      }
      inbox_.observe(LinkFailed{node, opened.error().message()});
    }
    const Duration length = pause_length(failures);
    co_await clock_.sleep_for(length);
  }
}

Task<bool> NodeLinks::read(NodeId node, std::unique_ptr<ports::NodeWatch> watch) {
  const std::uint64_t generation = ++generation_;
  bool spoke = false;
  for (;;) {
    co_await inbox_.space();
    auto reading = watch->next();
    // A stream that says nothing for so long is dead, even when its connection does not know it.
    auto event = co_await aio::with_deadline(clock_, liveness::kReportTtl, std::move(reading), "watch stream");
    if (!event) {
      inbox_.observe(LinkFailed{node, event.error().message()});
      co_return spoke;
    }
    if (!spoke) inbox_.observe(LinkOpened{node, generation});
    spoke = true;
    inbox_.observe(NodeSaid{node, generation, *std::move(event)});
  }
}

}  // namespace sandboxd::orch
