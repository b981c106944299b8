// Keeps records and machine together: at start, when the runtime comes back, and from time to time. Core thread only.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "node/agent_core.hpp"
#include "node/converge.hpp"
#include "node/life_cycle.hpp"
#include "node/provisioner.hpp"
#include "node/remover.hpp"

namespace sandboxd::node {

class Caretaker {
 public:
  Caretaker(AgentCore& core, Provisioner& provisioner, Remover& remover, LifeCycle& life);

  // Looks at everything once. The first success makes the agent ready (AgentCore::converged). Errors: of the part that
  // could not be asked; unavailable ones set AgentCore::runtime_down.
  [[nodiscard]] Task<Result<void>> look();
  // Follows the runtime's events for ever; looks again whenever the stream broke.
  [[nodiscard]] Task<void> follow_runtime();
  // Looks from time to time, and retries what the disk refused, for ever.
  [[nodiscard]] Task<void> patrol();

 private:
  Task<Result<void>> look_now();
  void act(const EntryPtr& entry, const Found& found, bool first);
  void handle(const ports::RuntimeEvent& event);
  void learn(const EntryPtr& entry, const Found& found);
  bool start_missing(const EntryPtr& entry, const Found& found);
  void end_missing(const EntryPtr& entry, const Found& found);
  Task<void> restore(EntryPtr entry);
  Task<Result<void>> restore_once(EntryPtr entry);
  Task<Result<void>> settle_record(EntryPtr entry);
  Task<void> release(EntryPtr entry);
  Task<void> reap_ended();
  [[nodiscard]] bool is_to_be_reaped(Entry& entry) const;
  Task<void> remove_orphans(Found found);
  [[nodiscard]] bool is_kept_aside(const SandboxId& sandbox) const;
  Task<void> remove_orphan_traces();
  Task<void> remove_orphan_guests();

  AgentCore& core_;
  Provisioner& provisioner_;
  Remover& remover_;
  LifeCycle& life_;
  aio::Semaphore looking_;  // one look at a time
};

}  // namespace sandboxd::node
