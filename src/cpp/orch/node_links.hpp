// One coroutine a node that keeps its watch stream open and hands what it says to the engine; a node that has no stream
// is polled instead (orch/node_poller.hpp), and asked from time to time whether it has learnt to stream.
//
// A broken stream is opened again after a growing, jittered pause; each opening has a new generation, and the node then
// names everything it has, so nothing that was missed matters. Streams wait when the engine's inbox is full. Openings
// are bounded: those of nodes that failed before only wait for each other. Core thread.
#pragma once

#include "aio/task_group.hpp"
#include "orch/inbox.hpp"
#include "orch/node_poller.hpp"
#include "ports/clock.hpp"
#include "ports/node_transport.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <list>
#include <map>
#include <memory>

namespace sandboxd::orch {

class NodeLinks {
 public:
  // `roster` is asked on the core thread, at any moment between two steps of the engine.
  NodeLinks(boost::asio::any_io_executor executor, ports::NodeTransport& transport, ports::Clock& clock, Inbox& inbox,
            LinkSettings settings, Roster roster, std::uint64_t seed);

  // Follows the node at this address from now on, instead of a former one.
  void open(const NodeId& node, model::NodeAddress address);
  void close(const NodeId& node);
  // What the node has to do has changed: if it is polled, it is looked at now.
  void wake(const NodeId& node);
  // From now on; nodes that are polled are looked at when the new intervals say so.
  void configure(const LinkSettings& settings);
  void cancel();
  [[nodiscard]] Task<void> join();

 private:
  struct Link {
    explicit Link(const boost::asio::any_io_executor& executor) : following(executor) {}
    [[nodiscard]] bool is_over() const { return following.size() == 0 && (!polling || polling->size() == 0); }
    void cancel() {
      following.cancel();
      if (polling) polling->cancel();
    }
    aio::TaskGroup following;
    std::unique_ptr<NodePoller> poller;       // while it is polled
    std::unique_ptr<aio::TaskGroup> polling;  // the poller's coroutines
  };
  using WatchPtr = std::unique_ptr<ports::NodeWatch>;

  [[nodiscard]] Task<void> follow(Link& link, NodeId node, model::NodeAddress address);
  [[nodiscard]] Task<Result<WatchPtr>> open_watch(model::NodeAddress address, bool failed_before);
  // Until the node has a stream.
  [[nodiscard]] Task<WatchPtr> poll(Link& link, NodeId node, model::NodeAddress address);
  // Reads one stream until it breaks; true when it said anything.
  [[nodiscard]] Task<bool> read(NodeId node, WatchPtr watch);
  [[nodiscard]] Duration pause_length(int failures);

  LinkContext context_;
  std::uint64_t generation_ = 0;
  std::map<NodeId, std::unique_ptr<Link>> links_;
  std::list<std::unique_ptr<Link>> ending_;  // closed, not yet ended
};

}  // namespace sandboxd::orch
