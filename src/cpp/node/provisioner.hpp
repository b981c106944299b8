// From an accepted record to a running sandbox, step by step.
//
// One coroutine a sandbox, in the entry's own task group, so that a delete can cancel it at any await. Calls that
// change the machine are shielded: they are waited for, and whatever they made is found by its planned name. Two
// durable writes in all: the acceptance (with every name) and `running` (with pids and address).
//
// While a part of the machine is `unavailable` (containerd restarts, the log holder is being replaced), the creation
// begins again with growing pauses, within provision_timeout. Any other error ends it. Core thread only.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "node/agent_core.hpp"
#include "node/container_plan.hpp"
#include "node/remover.hpp"
#include "node/restarter.hpp"

#include <string>
#include <vector>

namespace sandboxd::node {

class Provisioner {
 public:
  Provisioner(AgentCore& core, Remover& remover) : core_(core), remover_(remover), restarter_(core, *this, remover) {}

  enum class From {
    nothing,     // nothing is on the machine, but perhaps the slot (entry.slot)
    leftovers,   // of a run that a crash ended: they are taken down first
    containers,  // all containers run; probe, ports and record are missing
  };
  // Spawns the work. A failure ends in Remover::finish().
  void begin(EntryPtr entry, From from);

  // A container of the sandbox ended (Entry::exits). Decides whether that ends the creation, the sandbox, or nothing.
  void container_exited(const EntryPtr& entry);
  [[nodiscard]] Restarter& restarter() { return restarter_; }

  // For the restarter. Slot, images, files, policy, and every container running. The keys must never have been used.
  [[nodiscard]] Task<Result<void>> make_containers(EntryPtr entry);
  // One container of a sandbox whose other parts are there, running.
  [[nodiscard]] Task<Result<void>> make_one(EntryPtr entry, std::size_t index);
  // Ends what NodeConfig::start_cpu_milli gave. Whoever runs has its own CPU limit. Idempotent.
  [[nodiscard]] Task<Result<void>> lower_cpu(EntryPtr entry);

 private:
  Task<void> provision(EntryPtr entry, From from);
  Task<Result<void>> run_insistently(EntryPtr entry, From from);
  Task<Result<void>> run(EntryPtr entry, From from);
  Task<Result<PlanParts>> prepare_parts(EntryPtr entry);
  Task<Result<ports::ImageInfo>> prepare(EntryPtr entry, std::size_t part);
  Task<Result<void>> prepare_slot(EntryPtr entry);
  Task<Result<void>> open_outputs(EntryPtr entry);
  Task<Result<ports::ImageInfo>> ensure_image(EntryPtr entry, std::size_t index);
  Task<Result<void>> create_all(EntryPtr entry, PlanParts parts, std::vector<ports::ImageInfo> images);
  Task<Result<void>> create_one(EntryPtr entry, ports::ContainerRequest request);
  Task<Result<std::uint32_t>> start_one(EntryPtr entry, std::string key, std::string name);
  Task<Result<void>> wait_main_started(EntryPtr entry, std::string key);
  Task<Result<void>> start_all(EntryPtr entry);
  Task<Result<void>> go_live(EntryPtr entry);
  Task<Result<void>> wait_ready(EntryPtr entry, model::ReadinessProbe probe);
  Task<void> lower_cpu_later(EntryPtr entry);
  Task<void> end_early(EntryPtr entry);
  Task<void> end_running(EntryPtr entry);

  AgentCore& core_;
  Remover& remover_;
  Restarter restarter_;
};

// How a container shows once its process was started.
void mark_running(model::NodeContainer& container, const Entry& entry);

}  // namespace sandboxd::node
