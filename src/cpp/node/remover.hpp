// Takes down what a sandbox has on the machine: after a failure, after an exit, and for a deletion.
//
// Every step is idempotent and is repeated with growing pauses until it succeeds, so that nothing is ever left behind
// as long as the agent runs; what a crash interrupts, the next start resumes. Core thread only.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "node/agent_core.hpp"
#include "node/sandbox_table.hpp"

#include <string>

namespace sandboxd::node {

class Remover {
 public:
  explicit Remover(AgentCore& core) : core_(core) {}

  // Closes ports, removes containers, slot and files; keeps record and logs. Where the record says that its files are
  // kept (life_cycle.hpp), containers lose their tasks only, and files stay. Returns when it is done.
  [[nodiscard]] Task<void> take_down(EntryPtr entry);
  // One try of the same; for a create that starts again. Errors: of the first step that failed.
  [[nodiscard]] Task<Result<void>> take_down_once(EntryPtr entry);

  // Once, without the files; for a sandbox that is made again. The caller holds Entry::tearing_down.
  [[nodiscard]] Task<Result<void>> clear(EntryPtr entry);

  // Why a sandbox ended, and how.
  struct End {
    model::Phase phase = model::Phase::failed;  // failed or stopped
    std::string error;
  };
  // From the exits that are known: code 0 everywhere is stopped, anything else failed.
  [[nodiscard]] static End explain_exit(const Entry& entry);
  // Ends what is under way for it, records the end durably (insisting while the disk refuses), takes the sandbox down,
  // gives its resources back, then tells the watchers.
  [[nodiscard]] Task<void> finish(EntryPtr entry, End end);

  // Begins a deletion: marks the record durably and goes on in the background. Errors: cancelled (one is under way),
  // storage_failed.
  [[nodiscard]] Task<Result<void>> begin_erasing(EntryPtr entry);
  // Everything after the record says `deleting`: ends the provisioning, takes down, erases. Returns when it is gone.
  [[nodiscard]] Task<void> erase(EntryPtr entry);

 private:
  Task<Result<void>> close_ports(EntryPtr entry);
  Task<Result<void>> remove_unrecorded(SandboxId id);
  Task<Result<void>> remove_containers(EntryPtr entry);
  Task<Result<void>> forget_guests(EntryPtr entry);
  Task<Result<void>> end_task(EntryPtr entry, std::string key);
  Task<Result<void>> end_tasks(EntryPtr entry);
  Task<Result<void>> remove_network(EntryPtr entry);
  Task<Result<void>> remove_files(EntryPtr entry);
  Task<Result<void>> remove_output(EntryPtr entry);
  Task<Result<void>> remove_commands(EntryPtr entry);
  Task<Result<void>> bury(EntryPtr entry);
  Task<bool> record_end(EntryPtr entry, End end);
  Task<void> explain_late(EntryPtr entry);
  Task<void> release_in_background(EntryPtr entry);
  // Runs `step` until it succeeds.
  Task<void> insist(EntryPtr entry, const char* what, Task<Result<void>> (Remover::*step)(EntryPtr));

  AgentCore& core_;
};

// How the end of a sandbox shows on its containers: those with an exit code ended by themselves.
void mark_ended(model::NodeSandbox& record, const Entry& entry);

}  // namespace sandboxd::node
