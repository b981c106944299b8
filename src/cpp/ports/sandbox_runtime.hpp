// Containers on this machine. Real: containerd/containerd_runtime. Simulated: sim/memory_runtime.
//
// Granularity is one container: the node agent decides the order. Everything made here carries the instance's name and
// the sandbox's id and uid as labels, so list() finds it after any crash. Every call is bounded by the adapter's own
// deadlines. Calls for different keys may overlap; for one key the caller makes them one after another.
#pragma once

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "model/pull_progress.hpp"
#include "model/spec.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace sandboxd::ports {

struct ImageInfo {
  std::string reference;  // normalised, such as "docker.io/library/alpine:3.20"
  std::string digest;     // of the manifest or index
  std::vector<std::string> entrypoint;
  std::vector<std::string> command;
  std::vector<std::string> env;
  std::string work_dir;
  std::string user;
  std::string stop_signal;
  std::vector<std::string> volumes;
  // While a copy of this lives, remove_image() refuses the image: nobody takes it away between here and create().
  std::shared_ptr<const void> hold;
};

struct StoredImage {
  std::string digest;              // of the manifest or index
  std::vector<std::string> names;  // under which it is stored, sorted
  std::int64_t size_bytes = 0;     // of its layers, compressed; 0 when its documents cannot be read
  std::string created;             // as its config says
  std::string architecture;
  std::string os;
  WallTime last_used;      // by ensure_image() or by a container, to within some minutes over restarts
  bool is_used = false;    // by a container now, or held
  bool is_pulled = false;  // by us: a registry has it, unlike what somebody imported
};

// A bind mount that is ready on the host.
struct BindMount {
  std::string host_path;
  std::string container_path;
  bool read_only = false;
};

// What the in-sandbox agent runs as the container's main process, and with whose rights.
struct GuestSetup {
  std::vector<std::string> argv;  // empty: hold
  std::vector<std::string> env;
  std::string cwd;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> groups;
  std::uint64_t capabilities = 0;  // mask of (1 << number)
  bool no_new_privileges = true;
};
// Puts it where the container's agent will read it.
using SetUpGuest = std::function<Task<Result<void>>(GuestSetup)>;

enum class ContainerRole {
  single,      // one container, its own sandbox
  pod_root,    // pause: holds the namespaces of a pod; has no image
  pod_member,  // joins the pod of `pod_key`
};

struct ContainerRequest {
  std::string key;  // runtime id, chosen by the caller, unique on the machine
  SandboxId sandbox;
  std::string uid;
  ContainerRole role = ContainerRole::single;
  std::string pod_key;            // for pod_member: the root's key
  std::string handler;            // "runsc" or "runc"
  model::Container container;     // for pod_root only `name` and `resources` matter (the pod's sums)
  ImageInfo image;                // from ensure_image(); unused for pod_root
  std::string network_namespace;  // path
  std::string hostname;
  std::int64_t start_cpu_milli = 0;  // CPU limit until set_cpu_limit(), where the container has one; 0: its own
  std::vector<BindMount> mounts;
  // When set, the container's process is the in-sandbox agent, whose directory is among `mounts`: create() calls this
  // once with what the container would have run, its user resolved. Empty: no agent.
  SetUpGuest set_up_guest;
  std::string stdout_fifo;  // empty: output is discarded
  std::string stderr_fifo;
  std::int64_t root_bytes = 0;                      // what it may write to its root file system; 0: no bound
  std::int64_t volume_bytes = 128LL * 1024 * 1024;  // what the volumes that its image declares may hold together
  bool keeps_files = false;                         // what it writes outlives its task: for end_task()
  bool again = false;                               // it was made before and its task ended: its files are used
};

struct FoundContainer {
  std::string key;
  SandboxId sandbox;
  std::string uid;
  enum class Task { none, created, running, paused, stopped } task = Task::none;
  std::uint32_t pid = 0;
  std::optional<int> exit_code;
};

struct ContainerExited {
  std::string key;
  int exit_code = 0;  // 128 + signal when killed by one
  WallTime at;
};
struct ContainerOutOfMemory {
  std::string key;
};
using RuntimeEvent = std::variant<ContainerExited, ContainerOutOfMemory>;

class SandboxRuntime {
 public:
  virtual ~SandboxRuntime() = default;

  // True when the runtime daemon answers. Errors: unavailable, naming the socket and what to do.
  [[nodiscard]] virtual Task<Result<void>> check() = 0;

  // The image from the local store, else pulled (concurrent calls for one reference share a pull), unpacked and ready.
  // Errors: image_failed with the reference and the cause; invalid_argument for a malformed reference.
  [[nodiscard]] virtual Task<Result<ImageInfo>> ensure_image(std::string reference) = 0;

  // Of a pull that is on; nothing when there is none for this reference. Does not suspend.
  [[nodiscard]] virtual std::optional<model::PullProgress> pull_progress(const std::string& reference) const = 0;

  // All images that containers can be made of, ordered by digest.
  [[nodiscard]] virtual Task<Result<std::vector<StoredImage>>> list_images() = 0;

  // Removes a name of an image; with its last tag, or given a digest ("sha256:..."), the whole image, whose disk space
  // is free when this returns. Errors: not_found; conflict while a container or a creation uses it, or when it is
  // somebody else's; invalid_argument.
  [[nodiscard]] virtual Task<Result<void>> remove_image(std::string reference) = 0;

  // Container record, writable snapshot and task; the process exists but has not started. On an error nothing is left;
  // `again`: record and files are left as they were. Errors: runtime_failed, already_exists, unavailable, not_found
  // (`again`, and there is nothing).
  [[nodiscard]] virtual Task<Result<void>> create(ContainerRequest request) = 0;

  // Starts the created process; returns the pid of the container's init on the host.
  // Errors: runtime_failed with the runtime's text (such as an executable that does not exist).
  [[nodiscard]] virtual Task<Result<std::uint32_t>> start(std::string key) = 0;

  // How much CPU the container may use from now on, in millicores above 0. Takes effect at once and leaves the record
  // as it was created. Success also when the container is gone. In a gVisor pod only the root has a limit, for all.
  [[nodiscard]] virtual Task<Result<void>> set_cpu_limit(std::string key, std::int64_t milli) = 0;

  // All processes of the container stand still until resume(). In a gVisor pod the root's call is for everybody and is
  // the only one that may be made. Success also when they do already. Errors: not_found (it does not run),
  // runtime_failed.
  [[nodiscard]] virtual Task<Result<void>> pause(std::string key) = 0;
  [[nodiscard]] virtual Task<Result<void>> resume(std::string key) = 0;

  // Sends the image's stop signal (SIGTERM without one) to the container's init. Success also when nothing runs.
  [[nodiscard]] virtual Task<Result<void>> ask_to_stop(std::string key) = 0;

  // Kills what runs, paused or not, and deletes the task. Record and files stay, for a create() with `again` or for
  // remove(). The exit code where one is known. Success also when there is no task. Retry on error.
  [[nodiscard]] virtual Task<Result<std::optional<int>>> end_task(std::string key) = 0;

  // Kills, and removes task, snapshot and record. Success also when there is nothing. Retry on error.
  [[nodiscard]] virtual Task<Result<void>> remove(std::string key) = 0;

  // All containers of this instance, with the state of their tasks.
  [[nodiscard]] virtual Task<Result<std::vector<FoundContainer>>> list() = 0;

  // The next exit or out-of-memory event of this instance's containers. Errors: unavailable when the stream broke;
  // the caller then calls list() (nothing may be assumed about the time between) and next_event() again.
  [[nodiscard]] virtual Task<Result<RuntimeEvent>> next_event() = 0;
};

}  // namespace sandboxd::ports
