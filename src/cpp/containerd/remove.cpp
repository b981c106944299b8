#include "containerd/remove.hpp"

#include "base/log.hpp"
#include "containerd/leftovers.hpp"
#include "containerd/methods.hpp"
#include "containerd/rpc.hpp"
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
  co_return found;
}

// SIGKILL and wait. Errors only mean that it did not work in time.
Task<Result<void>> kill_and_wait(Context* context, std::string key) {
  wire::KillRequest kill;
  kill.set_container_id(key);
  kill.set_signal(9);
  const auto sent =
      co_await context->channel.unary(method::kTasksKill, kill.SerializeAsString(), context->options.stop_timeout);
  if (!sent && is_gone(sent.error())) co_return Result<void>();
  if (!sent) co_return sent.error();
  wire::WaitRequest wait;
  wait.set_container_id(key);
  const auto exited =
      co_await context->channel.unary(method::kTasksWait, wait.SerializeAsString(), context->options.stop_timeout);
  if (!exited && !is_gone(exited.error())) co_return exited.error();
  co_return Result<void>();
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

// True when the end was, or may have been, a hard one.
Task<Result<bool>> remove_task(Context* context, std::string key) {
  SBX_CO_TRY(found, co_await look(context, key));
  if (!found.exists) co_return true;  // perhaps taken away by the daemon after its shim died

  Result<void> gone;
  if (found.must_die) gone = co_await kill_and_wait(context, key);
  const Duration limit = found.never_started ? kUnstartedLimit : context->options.stop_timeout;
  if (gone) gone = co_await delete_task(context, key, limit);
  if (gone) co_return false;
  if (gone.error().code() == ErrorCode::unavailable) co_return gone.error();
  SBX_CO_CHECK(co_await force(context, key, gone.error()));
  co_return true;
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

// True when the record is ours to delete, false when there is none.
Task<Result<bool>> is_ours(Context* context, std::string key) {
  wire::GetContainerRequest request;
  request.set_id(key);
  const auto reply = co_await call<wire::GetContainerReply>(context->channel, method::kContainersGet,
                                                            request.SerializeAsString(), context->options.call_timeout);
  if (!reply) {
    if (is_gone(reply.error())) co_return false;
    co_return reply.error();
  }
  const auto& labels = reply->container().labels();
  const auto owner = labels.find(kLabelInstance);
  if (owner == labels.end() || owner->second != context->options.instance) {
    co_return Error(ErrorCode::conflict, "container " + key + " belongs to somebody else and is left alone");
  }
  co_return true;
}

}  // namespace

Task<Result<void>> remove_container(Context* context, std::string key) {
  SBX_CO_TRY(recorded, co_await is_ours(context, key));
  if (recorded) {
    SBX_CO_TRY(forced, co_await remove_task(context, key));
    if (!context->options.state_dir.empty()) {
      const std::string bundle = context->bundle_dir(key);
      const std::string parent = context->options.cgroup_parent;
      co_await context->files.run([bundle, key, parent, forced = forced] {
        sweep(bundle, key, parent, forced);
        return true;
      });
    }
    wire::RemoveSnapshotRequest snapshot;
    snapshot.set_snapshotter(context->options.snapshotter);
    snapshot.set_key(key);
    const auto removed = co_await context->channel.unary(method::kSnapshotsRemove, snapshot.SerializeAsString(),
                                                         context->options.call_timeout);
    if (!removed && !is_gone(removed.error())) co_return removed.error().with_context("remove snapshot " + key);
  }
  const std::string pod = context->pod_dir(key);
  SBX_CO_CHECK(co_await context->files.run([pod] { return remove_tree(pod); }));
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
