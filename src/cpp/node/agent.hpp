// The node agent: turns create requests into running sandboxes, keeps them, and takes them down again.
//
// It sees the machine only through ports. Everything lives on one thread (the executor's): the truth about the node's
// sandboxes is in memory, made durable through the NodeStore before anybody hears of it. What the parts do:
//
//   admission     may this request come in (pure)              slot_pool    network slots made ahead
//   sandbox_table the records, their durable writes, indexes   provisioner  accepted -> running, step by step
//   remover       what takes artefacts down, and deletion      converge     after a restart: found versus recorded
//   restarter     what ended and is to run again               image_collector  removes images that nobody uses
//   life_cycle    pause, resume, stop, start                watch_hub    subscribers of changes
//
// Crash safety: names of everything that will exist for a sandbox (its network slot, its containers) are in the record
// that is durable before the first of them is made. start() compares what the machine has with the records.
#pragma once

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "model/node_sandbox.hpp"
#include "node/config.hpp"
#include "node/shown.hpp"
#include "ports/clock.hpp"
#include "ports/command_store.hpp"
#include "ports/disk_gauge.hpp"
#include "ports/guest_agents.hpp"
#include "ports/host_facts.hpp"
#include "ports/image_library.hpp"
#include "ports/node_store.hpp"
#include "ports/node_transport.hpp"
#include "ports/output_collector.hpp"
#include "ports/prober.hpp"
#include "ports/runtime_exec.hpp"
#include "ports/sandbox_files.hpp"
#include "ports/sandbox_network.hpp"
#include "ports/sandbox_runtime.hpp"
#include "ports/step_observer.hpp"
#include "ports/usage_meter.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::node {

class Commands;
class Images;
class UsageReader;

// All outlive the agent. The pointers may be null; with `guests` and with `exec` comes `commands`.
struct AgentPorts {
  ports::Clock& clock;
  ports::NodeStore& store;
  ports::SandboxRuntime& runtime;
  ports::SandboxNetwork& network;
  ports::OutputCollector& output;
  ports::Prober& prober;
  ports::SandboxFiles* files = nullptr;
  ports::StepObserver* steps = nullptr;
  ports::DiskGauge* disk = nullptr;
  ports::GuestAgents* guests = nullptr;
  ports::RuntimeExec* exec = nullptr;
  ports::CommandStore* commands = nullptr;
  ports::ImageLibrary* images = nullptr;
  ports::UsageMeter* usage = nullptr;
};

struct AgentOptions {
  NodeConfig config;
  ports::HostFacts host;
  std::uint64_t seed = 0;                             // for uids, boot id, slot names and generated sandbox ids
  Duration remove_wait = std::chrono::seconds(30);    // how long remove() waits for the clean-up
  Duration runtime_wait = std::chrono::seconds(5);    // how long start() waits for the runtime before going on without
  Duration release_limit = std::chrono::seconds(30);  // clean-up of a failed sandbox before its failure is reported
  // Called after each regular comparison with the runtime, which leaves much memory to the allocator.
  std::function<void()> after_patrol;
};

// Steps that a StepObserver is told of, in their order.
namespace step {
inline constexpr std::string_view kAccepted = "create.accepted";  // the record is durable
inline constexpr std::string_view kSlotClaimed = "create.slot_claimed";
inline constexpr std::string_view kOutputOpened = "create.output_opened";
inline constexpr std::string_view kImageReady = "create.image_ready";
inline constexpr std::string_view kPolicySet = "create.policy_set";
inline constexpr std::string_view kContainerCreated = "create.container_created";
inline constexpr std::string_view kContainerStarted = "create.container_started";
inline constexpr std::string_view kProbePassed = "create.probe_passed";
inline constexpr std::string_view kPublished = "create.published";
inline constexpr std::string_view kRunning = "create.running";          // durable
inline constexpr std::string_view kRestartPending = "restart.pending";  // the end is in the record
inline constexpr std::string_view kRestartCleared = "restart.cleared";  // the last life is off the machine
inline constexpr std::string_view kRestartPlanned = "restart.planned";  // the next one's name is durable
inline constexpr std::string_view kRestarted = "restart.running";
inline constexpr std::string_view kPauseMarked = "pause.marked";  // the wish is durable
inline constexpr std::string_view kPauseDone = "pause.done";
inline constexpr std::string_view kPaused = "pause.paused";  // durable
inline constexpr std::string_view kResumeMarked = "resume.marked";
inline constexpr std::string_view kResumeDone = "resume.done";
inline constexpr std::string_view kResumed = "resume.running";
inline constexpr std::string_view kStopMarked = "stop.marked";
inline constexpr std::string_view kStopAsked = "stop.asked";  // the processes had their time
inline constexpr std::string_view kStopped = "stop.stopped";
inline constexpr std::string_view kStartMarked = "start.marked";  // the steps of a create follow
inline constexpr std::string_view kDeleteMarked = "delete.marked";
inline constexpr std::string_view kUnpublished = "delete.unpublished";
inline constexpr std::string_view kContainersRemoved = "delete.containers_removed";
inline constexpr std::string_view kSlotDestroyed = "delete.slot_destroyed";
inline constexpr std::string_view kOutputRemoved = "delete.output_removed";
inline constexpr std::string_view kErased = "delete.erased";
}  // namespace step

// How long a remove takes: to its end, or until it cannot be forgotten any more.
enum class Until { gone, recorded };  // `gone`: what was asked for has come true

struct LifeAsk {
  std::string uid;  // of the life of the id that is meant; empty: the present one
  Until until = Until::gone;
  std::optional<Duration> grace;  // of a stop
  // Of the control plane's wishes, growing: one that is lower than an earlier one comes too late, as does a repeated
  // one when another was asked of the node itself (0) meanwhile. Kept with the record.
  std::int64_t order = 0;
};

class Agent {
 public:
  Agent(boost::asio::any_io_executor executor, AgentPorts ports, AgentOptions options);
  // After stop(), or when the executor never runs again (a simulated crash).
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  // Loads the records and converges. When the runtime does not answer in time it returns success all the same, and
  // converges as soon as it does; until then creates are refused with `unavailable`. Errors: storage_failed,
  // network_failed, unavailable (log holder).
  [[nodiscard]] Task<Result<void>> start();
  // Ends all work of the agent; what was half done is picked up by the next start(). Sandboxes go on.
  [[nodiscard]] Task<void> stop();
  // After stop(), when the machine is to be left clean: removes the free network slots.
  [[nodiscard]] Task<void> teardown();

  // Accepted durably, phase creating; the rest happens by itself. Idempotent for one id and uid. An empty id gets a
  // generated one. Errors: already_exists "sandbox already exists: <id>", conflict (that life was deleted),
  // resource_exhausted (admission), invalid_argument, unavailable, storage_failed.
  [[nodiscard]] Task<Result<model::NodeSandbox>> create(model::NodeCreateRequest request);

  // Success also for an unknown id. A non-empty `uid` removes only that life of the id, and forbids it for the future.
  // Returns once it is all gone, or after remove_wait while the clean-up goes on; with Until::recorded as soon as a
  // restart would go on with it. A create of the same id waits for the end. Errors: storage_failed.
  [[nodiscard]] Task<Result<void>> remove(SandboxId id, std::string uid, Until until);
  [[nodiscard]] Task<Result<void>> remove(SandboxId id, std::string uid);  // until it is gone

  // They return the record: with Until::recorded as it is
  // once the wish is durable, else once it came true, or after remove_wait while the work goes on. A start is only
  // recorded: it goes on as a create does. Errors: not_found; conflict with a reason (node/life_cycle.hpp);
  // runtime_failed (it could not be paused); unavailable; for a start those of a create.
  [[nodiscard]] Task<Result<model::NodeSandbox>> pause(SandboxId id, LifeAsk ask);
  [[nodiscard]] Task<Result<model::NodeSandbox>> resume(SandboxId id, LifeAsk ask);
  [[nodiscard]] Task<Result<model::NodeSandbox>> stop(SandboxId id, LifeAsk ask);
  [[nodiscard]] Task<Result<model::NodeSandbox>> start(SandboxId id, LifeAsk ask);

  [[nodiscard]] std::optional<model::NodeSandbox> get(const SandboxId& id) const;
  [[nodiscard]] std::optional<model::NodeSandboxStatus> status(const SandboxId& id) const;
  // Called with a record and what the last visitor kept there of the same state, empty at first: a page of sandboxes is
  // asked for far more often than they change.
  using Visitor = std::function<void(const model::NodeSandbox& record, Shown& shown)>;
  // By id, after `after`, at most `limit`.
  void visit(const std::string& after, std::size_t limit, const Visitor& visitor) const;
  // False: there is none.
  bool visit(const SandboxId& id, const Visitor& visitor) const;
  // Of the images that a sandbox waits for while it is created.
  [[nodiscard]] std::vector<model::PullProgress> pulls(const SandboxId& id) const;
  [[nodiscard]] model::NodeReport report() const;
  // Null while the node serves everything; else why creates are refused.
  [[nodiscard]] std::optional<Error> degraded() const;

  // The container's log lines. Errors: not_found, too_large, storage_failed.
  [[nodiscard]] Task<Result<std::vector<std::string>>> log(SandboxId id, std::string container);
  // The same as it grows, of all containers when `container` is empty. Begins before the first process, and ends when
  // the sandbox no longer runs and everything was given out. Errors: not_found, resource_exhausted (too many readers).
  // Must not outlive the agent's executor.
  [[nodiscard]] Result<std::unique_ptr<ports::OutputReader>> follow_log(const SandboxId& id,
                                                                        const std::string& container);
  [[nodiscard]] ports::Clock& clock() const;

  // The commands in the sandboxes, and the way to their files.
  [[nodiscard]] Commands& commands() const;
  // What the agent's parts do for people (node/images.hpp, node/usage_reader.hpp). They live as long as the agent.
  [[nodiscard]] Images& images();
  [[nodiscard]] UsageReader& usage();
  // Work that nobody waits for; stop() cancels it and waits for its end. `name`: a constant.
  void run(std::string_view name, Task<void> work);

  // Snapshot, then changes. Errors: unavailable before start(), resource_exhausted (too many watchers). A watcher that
  // falls behind gets `unavailable` from next() and opens a new watch. Must not outlive the agent's executor.
  [[nodiscard]] Result<std::unique_ptr<ports::NodeWatch>> subscribe();

  // For creates from now on: NodeConfig::image_policy.
  void use_image_policy(std::string policy);

  // Compares the machine with the records now: exits that no event told of, artefacts that belong to nobody.
  [[nodiscard]] Task<Result<void>> reconcile();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sandboxd::node
