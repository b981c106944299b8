#include "containerd/create.hpp"

#include "containerd/handler.hpp"
#include "containerd/image_volumes.hpp"
#include "containerd/methods.hpp"
#include "containerd/oci_spec.hpp"
#include "containerd/rpc.hpp"
#include "containerd/runtime_text.hpp"
#include "containerd/snapshot_mounts.hpp"
#include "containerd/users.hpp"
#include "containerd/wire.pb.h"

#include <boost/json.hpp>

#include <filesystem>
#include <sys/resource.h>

namespace sandboxd::containerd {

using ports::ContainerRole;

namespace {

constexpr const char* kSpecType = "types.containerd.io/opencontainers/runtime-spec/1/Spec";

Error failed(const Error& error, std::string_view what) {
  const bool keep = error.code() == ErrorCode::unavailable || error.code() == ErrorCode::already_exists ||
                    error.code() == ErrorCode::cancelled || error.code() == ErrorCode::not_found;
  return Error(keep ? error.code() : ErrorCode::runtime_failed,
               (what.empty() ? "" : std::string(what) + ": ") + clean_runtime_text(error.message()));
}

std::uint64_t nofile_hard_max() {
  rlimit limit{};
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : 0;
}

Result<void> make_pod_root(const std::string& directory, const std::string& pause) {
  std::error_code ec;
  std::filesystem::create_directories(directory, ec);
  if (ec) return errno_error(ec.value(), "create " + directory);
  // Mount points, since the root is read-only.
  for (const char* name : {"/proc", "/dev", "/sys", "/etc"}) std::filesystem::create_directory(directory + name, ec);
  std::filesystem::copy_file(pause, directory + "/pause", std::filesystem::copy_options::overwrite_existing, ec);
  if (ec) return errno_error(ec.value(), "copy " + pause + " to " + directory);
  std::filesystem::permissions(directory + "/pause", std::filesystem::perms(0755), ec);
  return {};
}

// The pid of a pod's root, whose namespaces its members join.
Task<Result<std::uint32_t>> pod_pid(Context* context, std::string key) {
  wire::GetTaskRequest request;
  request.set_container_id(key);
  const auto reply = co_await call<wire::GetTaskReply>(context->channel, method::kTasksGet, request.SerializeAsString(),
                                                       context->options.call_timeout);
  if (!reply) co_return failed(reply.error(), "pod root " + key);
  if (reply->process().pid() == 0) co_return Error(ErrorCode::runtime_failed, "pod root " + key + " does not run");
  co_return reply->process().pid();
}

Result<std::string> spec_text(const SpecInputs& inputs) {
  SBX_TRY(spec, make_oci_spec(inputs));
  return boost::json::serialize(spec);
}

wire::Container make_record(const Context& context, const SpecInputs& inputs, const Handler& handler,
                            const std::string& spec) {
  const auto& request = inputs.request;
  wire::Container record;
  record.set_id(request.key);
  auto& labels = *record.mutable_labels();
  labels[kLabelInstance] = context.options.instance;
  labels[kLabelSandbox] = request.sandbox.str();
  labels[kLabelUid] = request.uid;
  if (!request.pod_key.empty()) labels[kLabelPod] = request.pod_key;
  if (!request.image.stop_signal.empty()) labels[kLabelStopSignal] = request.image.stop_signal;
  record.set_image(request.image.reference);
  record.mutable_runtime()->set_name(handler.runtime);
  if (!handler.options_type.empty()) {
    record.mutable_runtime()->mutable_options()->set_type_url(handler.options_type);
    record.mutable_runtime()->mutable_options()->set_value(handler.options_bytes);
  }
  record.mutable_spec()->set_type_url(kSpecType);
  record.mutable_spec()->set_value(spec);
  if (request.role != ContainerRole::pod_root) {
    record.set_snapshotter(context.options.snapshotter);
    record.set_snapshot_key(request.key);
  }
  return record;
}

// Its network namespace, and in a pod the root's pid, are others than in its last life.
Task<Result<std::string>> update_record(Context* context, wire::Container record) {
  wire::UpdateContainerRequest update;
  *update.mutable_container() = std::move(record);
  update.mutable_update_mask()->add_paths("spec");
  co_return co_await context->channel.unary(method::kContainersUpdate, update.SerializeAsString(),
                                            context->options.call_timeout);
}

Task<Result<std::string>> store_record(Context* context, wire::Container container, bool again) {
  if (again) return update_record(context, std::move(container));
  wire::CreateContainerRequest request;
  *request.mutable_container() = std::move(container);
  return context->channel.unary(method::kContainersCreate, request.SerializeAsString(), context->options.call_timeout);
}

// Users that are names, or whose group is not given, are looked up in the snapshot; the record then gets the new spec.
Task<Result<void>> settle_user(Context* context, SpecInputs* inputs, std::string user, wire::Container record,
                               std::vector<std::string> layers) {
  auto passwd = co_await context->files.run([layers] { return read_from_layers(layers, "etc/passwd"); });
  auto group = co_await context->files.run([layers] { return read_from_layers(layers, "etc/group"); });
  SBX_CO_TRY(resolved, resolve_user(user, passwd, group));
  inputs->user = resolved;
  if (inputs->request.set_up_guest) co_return Result<void>();  // the process is the agent, whoever the user is
  SBX_CO_TRY(spec, spec_text(*inputs));
  record.mutable_spec()->set_value(spec);
  const auto updated = co_await update_record(context, std::move(record));
  if (!updated) co_return failed(updated.error(), "record");
  co_return Result<void>();
}

bool bounds_root(const SpecInputs& inputs) {
  return inputs.request.root_bytes > 0 && (!inputs.is_runsc || inputs.request.keeps_files);
}

// What the container may write to the disk has a bound: under runc, and where its files outlive its task, its root file
// system gets a disk of its own in place of the snapshot's upper directory (else runsc's overlay has the size in its
// flag and ends with the task); the image's volumes get another.
Task<Result<void>> bound_writes(Context* context, const SpecInputs* inputs, std::vector<ports::BindMount> volumes,
                                wire::PrepareSnapshotReply* snapshot) {
  const auto& request = inputs->request;
  const std::string key = request.key;
  const std::vector<std::string> layers = layers_of(*snapshot);
  if (layers.empty()) co_return Error(ErrorCode::runtime_failed, "snapshot " + key + " has no layers");
  if (bounds_root(*inputs)) {
    Result<void> made;
    if (request.again) {
      made = co_await context->disks.mount_root(key);
    } else {
      made = co_await context->disks.make_root(key, request.root_bytes, layers.front());
    }
    if (!made) co_return made.error().with_context("disk of container " + key);
    const std::string disk = context->disks.root_dir(key);
    redirect_writes(*snapshot, disk + "/upper", disk + "/work");
  }
  if (volumes.empty()) co_return Result<void>();
  if (request.again) co_return co_await context->disks.mount_volumes(key);
  const auto made = co_await context->disks.make_volumes(key, request.volume_bytes);
  if (!made) co_return made.error().with_context("disk of the volumes of container " + key);
  // Below the disk, so that it goes with it.
  const std::string scratch = context->disks.volumes_dir(key) + "/image";
  co_return co_await context->disks.pool().run(
      [layers, scratch, volumes] { return make_image_volumes(layers, scratch, volumes); });
}

Task<Result<std::uint32_t>> create_task(Context* context, std::string key, std::string stdout_fifo,
                                        std::string stderr_fifo, wire::PrepareSnapshotReply snapshot) {
  wire::CreateTaskRequest task;
  task.set_container_id(key);
  *task.mutable_rootfs() = snapshot.mounts();
  // Both shims take either no stream or all of them.
  const bool any = !stdout_fifo.empty() || !stderr_fifo.empty();
  task.set_stdout(any && stdout_fifo.empty() ? "/dev/null" : stdout_fifo);
  task.set_stderr(any && stderr_fifo.empty() ? "/dev/null" : stderr_fifo);
  const auto created = co_await call<wire::CreateTaskReply>(context->channel, method::kTasksCreate,
                                                            task.SerializeAsString(), context->options.create_timeout);
  if (!created) co_return failed(created.error(), "");
  co_return created->pid();
}

}  // namespace

Task<Result<std::uint32_t>> create_container(Context* context, ImageStore* images, ports::ContainerRequest request,
                                             std::shared_ptr<bool> recorded) {
  SBX_CO_TRY(handler, find_handler(request.handler, context->runsc_config));
  const bool is_root = request.role == ContainerRole::pod_root;
  const std::string key = request.key;
  SpecInputs inputs;
  inputs.is_runsc = handler.is_runsc;
  inputs.cgroup_v2 = std::filesystem::exists("/sys/fs/cgroup/cgroup.controllers");
  inputs.cgroup_parent = context->options.cgroup_parent;
  inputs.nofile_hard_max = nofile_hard_max();
  if (is_root) inputs.root_path = context->pod_dir(key) + "/rootfs";
  if (request.role == ContainerRole::pod_member && !handler.is_runsc) {
    SBX_CO_TRY(pid, co_await pod_pid(context, request.pod_key));
    inputs.pod_root_pid = pid;
  }
  const std::string user = is_root                          ? std::string()
                           : request.container.user.empty() ? request.image.user
                                                            : request.container.user;
  const bool lookup = needs_lookup(user);
  if (!lookup) {
    SBX_CO_TRY(resolved, resolve_user(user, "", ""));
    inputs.user = resolved;
  }
  inputs.request = std::move(request);
  std::vector<ports::BindMount> volumes;
  if (!is_root) volumes = plan_image_volumes(inputs.request, context->disks.volumes_dir(key));
  inputs.request.mounts.insert(inputs.request.mounts.end(), volumes.begin(), volumes.end());
  SBX_CO_TRY(spec, spec_text(inputs));
  wire::PrepareSnapshotRequest prepare;
  if (!is_root && !inputs.request.again) {
    SBX_CO_TRY(parent, co_await images->base_snapshot(inputs.request.image.digest));
    prepare.set_parent(parent);
  }

  const wire::Container record = make_record(*context, inputs, handler, spec);
  const auto stored = co_await store_record(context, record, inputs.request.again);
  // An unknown outcome may have left a record; a refusal did not.
  *recorded = stored || stored.error().code() == ErrorCode::deadline_exceeded ||
              stored.error().code() == ErrorCode::cancelled || stored.error().code() == ErrorCode::unavailable;
  if (!stored) co_return failed(stored.error(), "container " + key);

  wire::PrepareSnapshotReply snapshot;
  if (is_root) {
    const std::string directory = inputs.root_path;
    const std::string pause = context->options.pause_binary;
    SBX_CO_CHECK(co_await context->files.run([directory, pause] { return make_pod_root(directory, pause); }));
  } else {
    prepare.set_snapshotter(context->options.snapshotter);
    prepare.set_key(key);
    // The mounts of one that exists are told in the same form, and asked for by fields of the same numbers.
    const char* method = inputs.request.again ? method::kSnapshotsMounts : method::kSnapshotsPrepare;
    const auto prepared = co_await call<wire::PrepareSnapshotReply>(
        context->channel, method, prepare.SerializeAsString(), context->options.call_timeout);
    if (!prepared) co_return failed(prepared.error(), "snapshot of " + inputs.request.image.reference);
    snapshot = *prepared;
  }
  if (lookup) {
    const std::vector<std::string> layers = layers_of(snapshot);
    SBX_CO_CHECK(co_await settle_user(context, &inputs, user, record, layers));
  }
  if (!is_root) SBX_CO_CHECK(co_await bound_writes(context, &inputs, std::move(volumes), &snapshot));
  if (inputs.request.set_up_guest) {
    SBX_CO_TRY(setup, make_guest_setup(inputs));
    SBX_CO_CHECK(co_await inputs.request.set_up_guest(std::move(setup)));
  }
  co_return co_await create_task(context, key, inputs.request.stdout_fifo, inputs.request.stderr_fifo, snapshot);
}

}  // namespace sandboxd::containerd
