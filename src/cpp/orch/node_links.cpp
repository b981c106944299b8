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
                     Inbox& inbox, LinkSettings settings, Roster roster, std::uint64_t seed)
    : context_(std::move(executor), transport, clock, inbox, settings, std::move(roster), seed) {}

void NodeLinks::open(const NodeId& node, model::NodeAddress address) {
  close(node);
  auto link = std::make_unique<Link>(context_.executor);
  link->following.spawn("node link", follow(*link, node, std::move(address)));
  links_[node] = std::move(link);
}

void NodeLinks::close(const NodeId& node) {
  ending_.remove_if([](const auto& link) { return link->is_over(); });
  const auto found = links_.find(node);
  if (found == links_.end()) return;
  found->second->cancel();
  ending_.push_back(std::move(found->second));
  links_.erase(found);
}

void NodeLinks::wake(const NodeId& node) {
  const auto found = links_.find(node);
  if (found != links_.end() && found->second->poller) found->second->poller->wake();
}

void NodeLinks::configure(const LinkSettings& settings) {
  if (context_.settings == settings) return;
  context_.settings = settings;
  for (auto& [node, link] : links_) {
    if (link->poller) link->poller->reconsider();
  }
}

void NodeLinks::cancel() {
  for (auto& [node, link] : links_) {
    link->cancel();
    ending_.push_back(std::move(link));
  }
  links_.clear();
}

Task<void> NodeLinks::join() {
  while (!ending_.empty()) {
    auto link = std::move(ending_.front());
    ending_.pop_front();
    co_await link->following.join();
    if (link->polling) co_await link->polling->join();
  }
}

Duration NodeLinks::pause_length(int failures) {
  const Duration longest = std::min(kPauseMax, kPauseMin * (1 << std::min(failures, 8)));
  const auto half = static_cast<std::uint64_t>(longest.count() / 2);
  return Duration(static_cast<std::int64_t>(half + context_.random.below(half + 1)));
}

Task<Result<NodeLinks::WatchPtr>> NodeLinks::open_watch(model::NodeAddress address, bool failed_before) {
  aio::Semaphore& pool = failed_before ? context_.failing : context_.answering;
  auto permit = co_await pool.acquire();
  auto opening = context_.transport.watch(std::move(address));
  auto opened = co_await aio::with_deadline(context_.clock, context_.settings.probe_timeout, std::move(opening),
                                            "open watch stream");
  co_return opened;
}

Task<void> NodeLinks::follow(Link& link, NodeId node, model::NodeAddress address) {
  for (int failures = 0;; ++failures) {
    auto opened = co_await open_watch(address, failures > 0);
    WatchPtr watch;
    if (opened) {
      watch = *std::move(opened);
    } else if (opened.error().code() == ErrorCode::unsupported) {
      watch = co_await poll(link, node, address);
    }
    if (watch) {
      const bool spoke = co_await read(node, std::move(watch));
      if (spoke) failures = 0;
    } else {
      context_.inbox.observe(LinkFailed{node, opened.error().message()});
    }
    const Duration length = pause_length(failures);
    co_await context_.clock.sleep_for(length);
  }
}

Task<NodeLinks::WatchPtr> NodeLinks::poll(Link& link, NodeId node, model::NodeAddress address) {
  kLog.info("node has no watch stream and is polled", {{"node", node.str()}});
  const std::uint64_t generation = ++generation_;
  context_.inbox.observe(LinkOpened{node, generation, true});
  link.poller = std::make_unique<NodePoller>(context_, node, address, generation);
  link.polling = std::make_unique<aio::TaskGroup>(context_.executor);
  link.polling->spawn("node health", link.poller->watch_health());
  link.polling->spawn("node sandboxes", link.poller->watch_sandboxes());
  WatchPtr learnt;
  while (!learnt) {
    const Duration pause = context_.jittered(context_.settings.resource_interval);
    co_await context_.clock.sleep_for(pause);
    // A node that says nothing is no news: its probes fail, too.
    auto opened = co_await open_watch(address, true);
    if (opened) learnt = *std::move(opened);
  }
  kLog.info("node has learnt to stream", {{"node", node.str()}});
  link.polling->cancel();
  co_await link.polling->join();
  link.polling.reset();
  link.poller.reset();
  co_return learnt;
}

Task<bool> NodeLinks::read(NodeId node, WatchPtr watch) {
  const std::uint64_t generation = ++generation_;
  bool spoke = false;
  for (;;) {
    co_await context_.inbox.space();
    auto reading = watch->next();
    // A stream that says nothing for so long is dead, even when its connection does not know it.
    auto event = co_await aio::with_deadline(context_.clock, liveness::kReportTtl, std::move(reading), "watch stream");
    if (!event) {
      context_.inbox.observe(LinkFailed{node, event.error().message()});
      co_return spoke;
    }
    if (!spoke) context_.inbox.observe(LinkOpened{node, generation});
    spoke = true;
    context_.inbox.observe(NodeSaid{node, generation, *std::move(event)});
    for (auto more = watch->ready(); more; more = watch->ready()) {
      context_.inbox.observe(NodeSaid{node, generation, *std::move(more)});
      co_await context_.inbox.space();
    }
  }
}

}  // namespace sandboxd::orch
