// One coroutine a node that keeps its watch stream open and hands what it says to the engine.
//
// A broken stream is opened again after a growing, jittered pause; each opening has a new generation, and the node then
// names everything it has, so nothing that was missed matters. Streams wait when the engine's inbox is full. Core
// thread.
#pragma once

#include "aio/task_group.hpp"
#include "base/random.hpp"
#include "orch/inbox.hpp"
#include "ports/clock.hpp"
#include "ports/node_transport.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <list>
#include <map>
#include <memory>

namespace sandboxd::orch {

class NodeLinks {
 public:
  NodeLinks(boost::asio::any_io_executor executor, ports::NodeTransport& transport, ports::Clock& clock, Inbox& inbox,
            Duration open_timeout, std::uint64_t seed);

  // Follows the node at this address from now on, instead of a former one.
  void open(const NodeId& node, model::NodeAddress address);
  void close(const NodeId& node);
  void cancel();
  [[nodiscard]] Task<void> join();

 private:
  [[nodiscard]] Task<void> follow(NodeId node, model::NodeAddress address);
  // Reads one stream until it breaks; true when it said anything.
  [[nodiscard]] Task<bool> read(NodeId node, std::unique_ptr<ports::NodeWatch> watch);
  [[nodiscard]] Duration pause_length(int failures);

  boost::asio::any_io_executor executor_;
  ports::NodeTransport& transport_;
  ports::Clock& clock_;
  Inbox& inbox_;
  Duration open_timeout_;
  Random random_;
  std::uint64_t generation_ = 0;
  std::map<NodeId, std::unique_ptr<aio::TaskGroup>> links_;
  std::list<std::unique_ptr<aio::TaskGroup>> ending_;  // closed, not yet ended
};

}  // namespace sandboxd::orch
