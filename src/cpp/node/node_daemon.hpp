// The node agent as one object: builds the adapters, runs the agent on its own thread, serves HTTP.
//
// Thread-safe like orch::Orchestrator.
#pragma once

#include "base/result.hpp"
#include "base/time.hpp"
#include "node/config.hpp"

#include <memory>
#include <string>

namespace sandboxd::node {

class NodeDaemon {
 public:
  [[nodiscard]] static Result<std::unique_ptr<NodeDaemon>> make(NodeConfig config);
  ~NodeDaemon();  // stop()
  NodeDaemon(const NodeDaemon&) = delete;
  NodeDaemon& operator=(const NodeDaemon&) = delete;

  // Takes the lock of the data directory, converges with what the machine has, starts to serve. Errors: conflict
  // (another node agent runs on this data directory), unavailable (containerd, address in use), network_failed.
  [[nodiscard]] Result<void> start();
  // Drains and stops; idempotent. Sandboxes, containerd and the log holder go on.
  void stop();
  [[nodiscard]] bool wait(Duration timeout);
  [[nodiscard]] int port() const;

 private:
  class Impl;
  explicit NodeDaemon(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sandboxd::node
