#include "containerd/oci_spec.hpp"

#include "base/limits.hpp"
#include "containerd/capabilities.hpp"
#include "containerd/cpu_limit.hpp"
#include "containerd/seccomp.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>

namespace sandboxd::containerd {

namespace json = boost::json;
using ports::ContainerRole;

namespace {

constexpr std::int64_t kPage = 4096;
constexpr std::uint64_t kNofileMax = 1048576;
// Threads that gVisor's sentry, its gofers and its stub processes need in the sandbox's own pids group beside the
// workload's: with fewer, a busy sentry dies instead of refusing a fork.
constexpr std::int64_t kSentryPids = 512;
constexpr const char* kAgentProgram = "/.sandboxd/agent";
// To run commands as other users, to end them, and to give its own rights up for them (agent/README.md).
constexpr std::array<const char*, 4> kAgentCapabilities = {"SETUID", "SETGID", "SETPCAP", "KILL"};
constexpr std::string_view kDefaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

json::array to_array(const std::vector<std::string>& texts) {
  json::array array;
  for (const std::string& text : texts) array.emplace_back(text);
  return array;
}

json::object mount(std::string_view destination, std::string_view type, std::string_view source, json::array options) {
  json::object object;
  object["destination"] = destination;
  object["type"] = type;
  object["source"] = source;
  object["options"] = std::move(options);
  return object;
}

Result<json::array> make_mounts(const SpecInputs& inputs) {
  const auto& request = inputs.request;
  json::array mounts;
  mounts.push_back(mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}));
  mounts.push_back(mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}));
  mounts.push_back(mount("/dev/pts", "devpts", "devpts",
                         {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}));
  mounts.push_back(mount("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}));
  if (!inputs.is_runsc) mounts.push_back(mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}));
  if (request.role != ContainerRole::pod_root) {
    mounts.push_back(mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}));
    if (!inputs.is_runsc) {
      mounts.push_back(mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}));
    }
  }
  // A tmpfs may hold a bind mount's target and the other way round: parents first.
  std::vector<std::pair<std::string, json::object>> own;
  for (const model::Tmpfs& item : request.container.tmpfs) {
    SBX_TRY(options, tmpfs_options(item.options));
    own.emplace_back(item.mount_path, mount(item.mount_path, "tmpfs", "tmpfs", to_array(options)));
  }
  for (const ports::BindMount& item : request.mounts) {
    json::array options = {"rbind", "rprivate", item.read_only ? "ro" : "rw"};
    own.emplace_back(item.container_path, mount(item.container_path, "bind", item.host_path, std::move(options)));
  }
  std::sort(own.begin(), own.end(), [](const auto& a, const auto& b) {
    return a.first.size() != b.first.size() ? a.first.size() < b.first.size() : a.first < b.first;
  });
  for (auto& [path, object] : own) mounts.push_back(std::move(object));
  return mounts;
}

// Later entries replace earlier ones of the same name; entries without '=' are dropped, as the original does.
std::vector<std::string> make_env(const SpecInputs& inputs) {
  const auto& request = inputs.request;
  std::vector<std::string> env;
  const auto set = [&](std::string_view entry) {
    const auto equals = entry.find('=');
    if (equals == std::string_view::npos || equals == 0) return;
    const std::string_view name = entry.substr(0, equals + 1);
    const auto same = std::find_if(env.begin(), env.end(), [&](const std::string& e) { return e.starts_with(name); });
    if (same != env.end()) {
      *same = entry;
    } else {
      env.emplace_back(entry);
    }
  };
  set(kDefaultPath);
  if (!request.hostname.empty()) set("HOSTNAME=" + request.hostname);
  const std::string& home = inputs.user.home;
  set("HOME=" + (!home.empty() ? home : inputs.user.uid == 0 ? std::string("/root") : std::string("/")));
  for (const std::string& entry : request.image.env) set(entry);
  for (const std::string& entry : request.container.env) set(entry);
  return env;
}

std::string work_dir_of(const ports::ContainerRequest& request) {
  const std::string& asked = request.container.work_dir;
  const std::string& work_dir = asked.empty() ? request.image.work_dir : asked;
  return work_dir.starts_with('/') ? work_dir : "/" + work_dir;
}

json::object user_object(const ResolvedUser& from) {
  json::object user;
  user["uid"] = from.uid;
  user["gid"] = from.gid;
  if (from.additional_gids.empty()) return user;
  json::array gids;
  for (const std::uint32_t gid : from.additional_gids) gids.emplace_back(gid);
  user["additionalGids"] = std::move(gids);
  return user;
}

Result<json::object> make_process(const SpecInputs& inputs, const SecurityOptions& security,
                                  const std::vector<std::string>& capabilities) {
  SBX_TRY(arguments, process_arguments(inputs.request));
  json::object process;
  process["terminal"] = false;
  if (inputs.request.set_up_guest) {
    process["user"] = user_object({});
    process["args"] = json::array{kAgentProgram};
    process["cwd"] = "/";
  } else {
    process["user"] = user_object(inputs.user);
    process["args"] = to_array(arguments);
    process["env"] = to_array(make_env(inputs));
    process["cwd"] = work_dir_of(inputs.request);
  }

  // Ambient stays empty: a user other than root has what files and its own bounding set allow, as with Docker.
  json::object sets;
  for (const std::string_view set : {"bounding", "effective", "permitted"}) sets[set] = to_array(capabilities);
  process["capabilities"] = std::move(sets);
  process["noNewPrivileges"] = security.no_new_privileges;
  if (inputs.nofile_hard_max > 0) {
    const std::uint64_t nofile = std::min(inputs.nofile_hard_max, kNofileMax);
    json::object limit;
    limit["type"] = "RLIMIT_NOFILE";
    limit["hard"] = nofile;
    limit["soft"] = nofile;
    process["rlimits"] = json::array{std::move(limit)};
  }
  return process;
}

// The root of a gVisor sandbox carries the whole sandbox's limits: its members live in the root's sentry.
json::object make_resources(const SpecInputs& inputs) {
  const auto& limits = inputs.request.container.resources;
  json::object resources;
  json::object deny;
  deny["allow"] = false;
  deny["access"] = "rwm";
  resources["devices"] = json::array{std::move(deny)};
  if (inputs.is_runsc && inputs.request.role == ContainerRole::pod_member) return resources;
  if (!inputs.is_runsc && inputs.request.role == ContainerRole::pod_root) return resources;
  if (limits.limit_cpu_milli.value > 0) {
    json::object cpu;
    const std::int64_t asked = limits.limit_cpu_milli.value;
    cpu["quota"] = cpu_quota_us(inputs.request.start_cpu_milli > 0 ? inputs.request.start_cpu_milli : asked);
    cpu["period"] = kCpuPeriodUs;
    cpu["shares"] = std::clamp<std::int64_t>(limits.limit_cpu_milli.value * 1024 / 1000, 2, 262144);
    resources["cpu"] = std::move(cpu);
  }
  if (limits.limit_memory_bytes.value > 0) {
    json::object memory;
    memory["limit"] = limits.limit_memory_bytes.value;
    resources["memory"] = std::move(memory);
  }
  json::object pids;
  const std::int64_t asked = limits.pids_max > 0 ? limits.pids_max : limits::kPidsMax;
  pids["limit"] = inputs.is_runsc ? asked + kSentryPids : asked;
  resources["pids"] = std::move(pids);
  return resources;
}

json::array make_namespaces(const SpecInputs& inputs) {
  const auto& request = inputs.request;
  json::array namespaces;
  const auto add = [&](std::string_view type, const std::string& path) {
    json::object entry;
    entry["type"] = type;
    if (!path.empty()) entry["path"] = path;
    namespaces.push_back(std::move(entry));
  };
  const bool joins = request.role == ContainerRole::pod_member && inputs.pod_root_pid != 0;
  const std::string root = "/proc/" + std::to_string(inputs.pod_root_pid) + "/ns/";
  add("pid", "");
  add("mount", "");
  add("ipc", joins ? root + "ipc" : "");
  add("uts", joins ? root + "uts" : "");
  add("network", !request.network_namespace.empty() ? request.network_namespace : joins ? root + "net" : "");
  if (inputs.cgroup_v2) add("cgroup", "");
  return namespaces;
}

// The gVisor shim decides by these whether a container makes a sandbox or joins one; without them its create hangs.
json::object make_annotations(const SpecInputs& inputs) {
  const auto& request = inputs.request;
  json::object annotations;
  if (!inputs.is_runsc) return annotations;
  const bool member = request.role == ContainerRole::pod_member;
  annotations["io.kubernetes.cri.container-type"] = member ? "container" : "sandbox";
  annotations["io.kubernetes.cri.sandbox-id"] = member ? request.pod_key : request.key;
  if (member) annotations["io.kubernetes.cri.container-name"] = request.container.name;
  // The overlay's upper layer lies in a file beside the snapshot, so it is disk and not the sandbox's memory. gVisor
  // rounds sizes up to whole pages, and takes 0 for no bound.
  if (request.keeps_files) {
    annotations["dev.gvisor.flag.overlay2"] = "none";  // that file ends with the sandbox (docs/adr 0016)
  } else if (request.root_bytes > 0) {
    const std::int64_t size = std::max(kPage, request.root_bytes / kPage * kPage);
    annotations["dev.gvisor.flag.overlay2"] = "root:self,size=" + std::to_string(size);
  }
  return annotations;
}

}  // namespace

Result<std::vector<std::string>> process_arguments(const ports::ContainerRequest& request) {
  if (request.role == ContainerRole::pod_root) return std::vector<std::string>{"/pause"};
  std::vector<std::string> arguments;
  switch (request.container.command_kind) {
    case model::CommandKind::given: arguments = request.container.args; break;
    case model::CommandKind::image:
      arguments = request.image.entrypoint;
      arguments.insert(arguments.end(), request.image.command.begin(), request.image.command.end());
      break;
    case model::CommandKind::hold:
      if (request.set_up_guest) return arguments;
      return Error(ErrorCode::unsupported, "a container that only holds needs the in-sandbox agent");
  }
  if (arguments.empty()) {
    return Error(ErrorCode::invalid_argument, "no command: neither the image nor the request names one");
  }
  return arguments;
}

Result<ports::GuestSetup> make_guest_setup(const SpecInputs& inputs) {
  const model::Container& container = inputs.request.container;
  SBX_TRY(security, parse_security_options(container.security_opt));
  SBX_TRY(arguments, process_arguments(inputs.request));
  ports::GuestSetup setup;
  setup.argv = std::move(arguments);
  setup.env = make_env(inputs);
  setup.cwd = work_dir_of(inputs.request);
  setup.uid = inputs.user.uid;
  setup.gid = inputs.user.gid;
  setup.groups = inputs.user.additional_gids;
  setup.capabilities = capability_mask(container.cap_add, container.cap_drop);
  setup.no_new_privileges = security.no_new_privileges;
  return setup;
}

Result<json::object> make_oci_spec(const SpecInputs& inputs) {
  const auto& request = inputs.request;
  SBX_TRY(security, parse_security_options(request.container.security_opt));
  std::uint64_t mask = capability_mask(request.container.cap_add, request.container.cap_drop);
  if (request.set_up_guest) mask |= capability_mask({kAgentCapabilities.begin(), kAgentCapabilities.end()}, {"ALL"});
  const std::vector<std::string> capabilities = capability_names(mask);
  SBX_TRY(process, make_process(inputs, security, capabilities));
  SBX_TRY(mounts, make_mounts(inputs));

  json::object spec;
  spec["ociVersion"] = "1.0.2";
  spec["process"] = std::move(process);
  json::object root;
  root["path"] = inputs.root_path;
  root["readonly"] = request.container.read_only || request.role == ContainerRole::pod_root;
  spec["root"] = std::move(root);
  // A joined UTS namespace has its name already; runc refuses one for a namespace that it does not make.
  const bool own_uts = request.role != ContainerRole::pod_member || inputs.is_runsc;
  if (own_uts && !request.hostname.empty()) spec["hostname"] = request.hostname;
  spec["mounts"] = std::move(mounts);

  json::object os;
  os["cgroupsPath"] = inputs.cgroup_parent + "/" + request.key;
  os["resources"] = make_resources(inputs);
  os["namespaces"] = make_namespaces(inputs);
  os["maskedPaths"] = {"/proc/acpi",          "/proc/kcore",      "/proc/keys",
                       "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
                       "/proc/sched_debug",   "/proc/scsi",       "/sys/firmware"};
  os["readonlyPaths"] = {"/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
  if (security.seccomp && !inputs.is_runsc) os["seccomp"] = default_seccomp(capabilities);
  spec["linux"] = std::move(os);
  json::object annotations = make_annotations(inputs);
  if (!annotations.empty()) spec["annotations"] = std::move(annotations);
  return spec;
}

}  // namespace sandboxd::containerd
