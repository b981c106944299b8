// What is wanted of a sandbox that exists: that it pauses and goes on, that it stops and starts again.
//
// The wish is durable before anything is done for it, and done again after a crash (take_up). A paused sandbox keeps
// everything; its processes get no time. A stopped one keeps its record, its logs and its files: container records,
// snapshots and disks; tasks, ports, address, CPU and memory are given back. Its network slot is destroyed and its name
// kept, so that nothing of it can lead to another sandbox. A start makes new tasks on the same files.
//
// Refusals are of code conflict, with one of these reasons: already_running, already_stopped, already_paused,
// not_paused, not_running, files_gone, deleting. Core thread only.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "node/agent_core.hpp"
#include "node/provisioner.hpp"
#include "node/remover.hpp"

#include <optional>
#include <string>

namespace sandboxd::node {

class LifeCycle {
 public:
  LifeCycle(AgentCore& core, Provisioner& provisioner, Remover& remover)
      : core_(core), provisioner_(provisioner), remover_(remover) {}

  // Durable when they return; the work goes on in the background, and ends as the record then says. Success also where
  // that very work is under way. Errors: conflict, storage_failed; unavailable (a container is being started again by
  // its restart policy: ask again).
  [[nodiscard]] Task<Result<void>> pause(EntryPtr entry);
  [[nodiscard]] Task<Result<void>> resume(EntryPtr entry);
  // `grace`: between the stop signal and the kill; NodeConfig::stop_grace when nothing is given.
  [[nodiscard]] Task<Result<void>> stop(EntryPtr entry, std::optional<Duration> grace);
  // Also of one that ended by itself, where its files are still there. Errors: as of a create, too.
  [[nodiscard]] Task<Result<void>> start(EntryPtr entry);

  // Waits until `goal` has come, not longer than remove_wait: after that, too, the work goes on. Errors: runtime_failed
  // (it could not be paused), conflict (it ended or is deleted).
  [[nodiscard]] Task<Result<void>> settled(EntryPtr entry, model::Phase goal);

  // One of the first three, by where it leads: paused, running, stopped.
  [[nodiscard]] Task<Result<void>> lead_to(EntryPtr entry, model::Phase goal, std::optional<Duration> grace);

  // After a restart of the agent: goes on with what the record says is wanted.
  void take_up(const EntryPtr& entry);

 private:
  Task<void> run_pause(EntryPtr entry);
  Task<void> run_resume(EntryPtr entry);
  Task<void> run_stop(EntryPtr entry, Duration grace, bool may_stand_still);
  Task<Result<void>> pause_all(EntryPtr entry);
  Task<Result<void>> resume_all(EntryPtr entry);
  Task<void> leave_paused(EntryPtr entry, std::string obstacle);
  Task<void> let_end(EntryPtr entry, Duration grace);
  Task<void> save_output(EntryPtr entry);
  Task<void> record_stopped(EntryPtr entry);
  Task<Result<void>> reserve(EntryPtr entry);
  [[nodiscard]] std::vector<std::string> standing_keys(const model::NodeSandbox& record) const;

  AgentCore& core_;
  Provisioner& provisioner_;
  Remover& remover_;
};

// What a stopped sandbox wrote is still there for a start.
[[nodiscard]] bool keeps_files(const model::NodeSandbox& record);
// It has processes that may run: running, pausing or paused.
[[nodiscard]] bool is_up(model::Phase phase);

}  // namespace sandboxd::node
