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
  // Takes over the reloadable fields of `config` and says what came of it, also in the log. Errors: invalid_argument
  // with every problem of `config`, conflict when it does not run; then nothing has changed.
  [[nodiscard]] Result<ConfigReload> reload(NodeConfig config);
  [[nodiscard]] bool wait(Duration timeout);
  [[nodiscard]] int port() const;

  // Leaves the machine clean: removes slots, tables, bridge, forward rules and the cgroup parent of an instance whose
  // sandboxes are deleted, and ends its log holder. On an object that is not running; blocks until done. Idempotent:
  // what is not there is no error. Errors: conflict (a node agent runs, or sandboxes are left), network_failed.
  [[nodiscard]] Result<void> teardown();

 private:
  class Impl;
  explicit NodeDaemon(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sandboxd::node
