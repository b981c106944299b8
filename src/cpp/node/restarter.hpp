// Starts again what ended in a running sandbox, as its restart policy says.
//
// The sandbox stays `running`; the container shows `creating` with its exit code until its next life has begun. A
// container comes back alone, on a fresh root filesystem, in the same network slot, with its log going on and the
// shared volumes as they are. When the pause container or the network is gone, everything is made again: same slot name
// and ports, perhaps another address. Readiness is not probed again.
//
// One coroutine for each container, in the entry's own task group, so that the sandbox's end stops it at any await. The
// next life's name is durable before it exists. A failed attempt is repeated for ever, with the back-off. Core thread.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "node/agent_core.hpp"
#include "node/converge.hpp"
#include "node/remover.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace sandboxd::node {

class Provisioner;

class Restarter {
 public:
  Restarter(AgentCore& core, Provisioner& provisioner, Remover& remover)
      : core_(core), provisioner_(provisioner), remover_(remover) {}

  // `ended` are containers of a running sandbox that do not run. False: the policy does not bring all of them back, and
  // the sandbox is over. `has_network` is false when its slot is not what the record says.
  [[nodiscard]] bool take(const EntryPtr& entry, const std::vector<Missing>& ended, bool has_network);

 private:
  void begin(const EntryPtr& entry, std::size_t index, std::optional<int> exit_code);
  void begin_all(const EntryPtr& entry);
  Task<void> restart(EntryPtr entry, std::size_t index, std::optional<int> exit_code);
  Task<Result<void>> restart_once(EntryPtr entry, std::size_t index, std::uint64_t remade);
  Task<void> remake(EntryPtr entry);
  Task<Result<void>> remake_once(EntryPtr entry);
  Task<void> show_running(EntryPtr entry, std::size_t first, std::size_t last);
  Task<void> show_obstacle(EntryPtr entry, std::size_t index, Error error);

  AgentCore& core_;
  Provisioner& provisioner_;
  Remover& remover_;
};

}  // namespace sandboxd::node
