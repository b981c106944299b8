#include "containerd/remove.hpp"

#include "base/log.hpp"
#include "containerd/gvisor_pause.hpp"
#include "containerd/handler.hpp"
#include "containerd/leftovers.hpp"
#include "containerd/methods.hpp"
#include "containerd/rpc.hpp"
#include "containerd/task_calls.hpp"
#include "containerd/wire.pb.h"

#include <filesystem>
#include <optional>

namespace sandboxd::containerd {

namespace {

const Log log("containerd");

constexpr Duration kPollInterval = std::chrono::milliseconds(50);
constexpr Duration kKillInterval = std::chrono::seconds(3);  // time for the daemon's own clean-up of a dead shim

// A task that never started: runc deletes it at once; gVisor's shim does not, and would keep the caller waiting.
constexpr Duration kUnstartedLimit = std::chrono::milliseconds(500);

struct TaskFound {
  bool exists = false;
  bool must_die = false;  // running, or in a state nobody knows
  bool never_started = false;
  bool may_stand_still = false;       // paused; a shim may say "unknown" of that
  bool is_hung = false;               // its shim does not answer
  std::optional<int> exit_code = {};  // of one that ended
};

bool is_gone(const Error& error) { return error.code() == ErrorCode::not_found; }

Task<Result<TaskFound>> look(Context* context, std::string key) {
  wire::GetTaskRequest request;
  request.set_container_id(key);
  const auto reply = co_await call<wire::GetTaskReply>(context->channel, method::kTasksGet, request.SerializeAsString(),
                                                       context->options.call_timeout);
  TaskFound found;
  if (!reply) {
    if (is_gone(reply.error())) co_return found;
    if (reply.error().code() == ErrorCode::unavailable) co_return reply.error();
    // The daemon is there and the shim is not: the task is to be deleted the hard way.
    found.exists = true;
    found.must_die = true;
    co_return found;
  }
  const auto state = reply->process().status();
  found.exists = true;
  found.never_started = state == wire::TASK_CREATED;
  found.must_die =
      state != wire::TASK_STOPPED && !found.never_started;  // one that never started dies with its deletion
  found.may_stand_still = state != wire::TASK_RUNNING;
  found.is_hung = is_shim_silent(reply->process());
  if (state == wire::TASK_STOPPED) {
    SBX_CO_TRY(exit_code, co_await exit_code_of(context, key, reply->process()));
    found.exit_code = exit_code;
  }
  co_return found;
}

// SIGKILL and wait. The exit code where it is told. Errors only mean that it did not work in time.
Task<Result<std::optional<int>>> kill_and_wait(Context* context, std::string key) {
  wire::KillRequest kill;
  kill.set_container_id(key);
  kill.set_signal(9);
  const auto sent =
      co_await context->channel.unary(method::kTasksKill, kill.SerializeAsString(), context->options.stop_timeout);
  if (!sent && is_gone(sent.error())) co_return std::optional<int>();
  if (!sent) co_return sent.error();
  wire::WaitRequest wait;
  wait.set_container_id(key);
  const auto exited = co_await call<wire::WaitReply>(context->channel, method::kTasksWait, wait.SerializeAsString(),
                                                     context->options.stop_timeout);
  if (exited) co_return std::optional<int>(static_cast<int>(exited->exit_status()));
  if (!is_gone(exited.error())) co_return exited.error();
  co_return std::optional<int>();
}

Task<Result<void>> delete_task(Context* context, std::string key, Duration limit) {
  wire::DeleteTaskRequest request;
  request.set_container_id(key);
  const auto done = co_await context->channel.unary(method::kTasksDelete, request.SerializeAsString(), limit);
  if (!done && !is_gone(done.error())) co_return done.error();
  co_return Result<void>();
}

// Kills shim, runtime and workload by pid. The daemon notices that the shim's connection broke and forgets the task.
Task<Result<void>> force(Context* context, std::string key, Error why) {
  if (context->options.state_dir.empty()) co_return why;
  log.warn("killing a container's shim", {{"container", key}, {"cause", why.message()}});
  const std::string bundle = context->bundle_dir(key);
  const MonoTime give_up = context->clock.mono_now() + context->options.stop_timeout + kKillInterval;
  MonoTime next_kill = context->clock.mono_now();
  bool first = true;
  while (true) {
    if (context->clock.mono_now() >= next_kill) {
      // Once more only when the daemon's own clean-up did not come to an end: then the task is deleted under it.
      if (!first) co_await delete_task(context, key, context->options.stop_timeout);
      first = false;
      next_kill = context->clock.mono_now() + kKillInterval;
      co_await context->files.run([bundle] {
        kill_processes_of(bundle);
        return true;
      });
    }
    SBX_CO_TRY(found, co_await look(context, key));
    if (!found.exists) co_return Result<void>();
    if (context->clock.mono_now() >= give_up) co_return why;
    co_await context->clock.sleep_for(kPollInterval);
  }
}

struct TaskEnd {
  bool was_hard = false;  // or may have been
  std::optional<int> exit_code = {};
};

// `pod_key`: of the root whose pause is the member's too; empty where there is none.
Task<Result<TaskEnd>> remove_task(Context* context, std::string key, std::string pod_key) {
  SBX_CO_TRY(found, co_await look(context, key));
  TaskEnd end;
  end.was_hard = !found.exists;  // perhaps taken away by the daemon after its shim died
  if (!found.exists) co_return end;

  end.exit_code = found.exit_code;
  Result<void> gone;
  if (found.is_hung) {
    gone = Error(ErrorCode::deadline_exceeded, "its shim does not answer");
  } else if (found.must_die) {
    // What stands still may not die of a signal. What cannot be resumed is killed the hard way.
    const std::string& still = pod_key.empty() ? key : pod_key;
    if (found.may_stand_still || is_marked_paused(*context, still)) (void)co_await resume_task(context, still);
    const auto killed = co_await kill_and_wait(context, key);
    if (killed && *killed) end.exit_code = **killed;
    if (!killed) gone = killed.error();
  }
  const Duration limit = found.never_started ? kUnstartedLimit : context->options.stop_timeout;
  if (gone) gone = co_await delete_task(context, key, limit);
  if (gone) co_return end;
  if (gone.error().code() == ErrorCode::unavailable) co_return gone.error();
  SBX_CO_CHECK(co_await force(context, key, gone.error()));
  end.was_hard = true;
  co_return end;
}

// Anything that the daemon did not take away with the task. Normally there is nothing and this costs two system calls.
// A daemon that died while a shim came up may remove the bundle at its next start and know nothing of the shim, so a
// hard end looks for processes even when there is no bundle.
void sweep(const std::string& bundle, const std::string& key, const std::string& cgroup_parent, bool forced) {
  std::error_code ec;
  const bool left = std::filesystem::exists(bundle, ec);
  if (forced || left) kill_all_processes_of(bundle);
  if (left) {
    const auto removed = remove_tree(bundle);
    if (!removed) log.warn("bundle not removed", {{"container", key}, {"cause", removed.error().message()}});
  }
  remove_runtime_state(key, cgroup_parent, forced || left);
}

// The record, when it is ours to work on; nothing when there is none.
Task<Result<std::optional<wire::Container>>> own_record(Context* context, std::string key) {
  wire::GetContainerRequest request;
  request.set_id(key);
  const auto reply = co_await call<wire::GetContainerReply>(context->channel, method::kContainersGet,
                                                            request.SerializeAsString(), context->options.call_timeout);
  if (!reply) {
    if (is_gone(reply.error())) co_return std::optional<wire::Container>();
    co_return reply.error();
  }
  const auto& labels = reply->container().labels();
  const auto owner = labels.find(kLabelInstance);
  if (owner == labels.end() || owner->second != context->options.instance) {
    co_return Error(ErrorCode::conflict, "container " + key + " belongs to somebody else and is left alone");
  }
  co_return std::optional<wire::Container>(reply->container());
}

std::string gvisor_root_of(const wire::Container& record) {
  if (record.runtime().name() != kRunscRuntime) return {};
  const auto pod = record.labels().find(kLabelPod);
  return pod == record.labels().end() ? std::string() : pod->second;
}

Task<Result<std::optional<int>>> end_recorded(Context* context, std::string key, std::string pod_key) {
  SBX_CO_TRY(end, co_await remove_task(context, key, std::move(pod_key)));
  forget_pause(*context, key);
  if (context->options.state_dir.empty()) co_return end.exit_code;
  const std::string bundle = context->bundle_dir(key);
  const std::string parent = context->options.cgroup_parent;
  co_await context->files.run([bundle, key, parent, forced = end.was_hard] {
    sweep(bundle, key, parent, forced);
    return true;
  });
  co_return end.exit_code;
}

}  // namespace

Task<Result<std::optional<int>>> end_task_of(Context* context, std::string key) {
  SBX_CO_TRY(record, co_await own_record(context, key));
  if (!record) co_return std::optional<int>();
  SBX_CO_TRY(exit_code, co_await end_recorded(context, key, gvisor_root_of(*record)));
  SBX_CO_CHECK(co_await context->disks.release(key));
  co_return exit_code;
}

Task<Result<void>> remove_container(Context* context, std::string key) {
  SBX_CO_TRY(recorded, co_await own_record(context, key));
  if (recorded) {
    SBX_CO_CHECK(co_await end_recorded(context, key, gvisor_root_of(*recorded)));
    wire::RemoveSnapshotRequest snapshot;
    snapshot.set_snapshotter(context->options.snapshotter);
    snapshot.set_key(key);
    const auto removed = co_await context->channel.unary(method::kSnapshotsRemove, snapshot.SerializeAsString(),
                                                         context->options.call_timeout);
    if (!removed && !is_gone(removed.error())) co_return removed.error().with_context("remove snapshot " + key);
  }
  const std::string pod = context->pod_dir(key);
  SBX_CO_CHECK(co_await context->files.run([pod] { return remove_tree(pod); }));
  const std::string execs = context->exec_dir(key);
  SBX_CO_CHECK(co_await context->files.run([execs] { return remove_tree(execs); }));
  SBX_CO_CHECK(co_await context->disks.remove(key));
  if (recorded) {
    wire::DeleteContainerRequest record;
    record.set_id(key);
    const auto deleted = co_await context->channel.unary(method::kContainersDelete, record.SerializeAsString(),
                                                         context->options.call_timeout);
    if (!deleted && !is_gone(deleted.error())) co_return deleted.error();
  }
  co_return Result<void>();
}

}  // namespace sandboxd::containerd
