// ports::SandboxRuntime, ports::ImageLibrary and ports::RuntimeExec on a containerd daemon (1.6 to 2.x), over its gRPC
// socket.
//
// Names: everything is in containerd's namespace k8s.io, because images pulled through CRI land there. A container's
// record, snapshot and task all carry the key that the caller chose. Labels on the record say which instance, sandbox
// and life (uid) it belongs to; nothing of another owner in the same daemon is ever touched.
//
// Order of a create: record, snapshot, task. The record comes first because it refers to the snapshot by name, which
// keeps containerd's garbage collector off it from the start, and because list() finds a record: whatever a crash
// leaves behind is found by it. A remove goes the other way, the record last.
//
// Files of its own, below Options::run_dir:
//   runsc.toml            the gVisor shim's configuration (handler.hpp)
//   disks/<key>.*/        where the bounded disks of <disk_dir> are mounted (container_disks.hpp); removed with it
//   execs/<key>/*/        pipes of processes that were started beside a container's own (exec_process.hpp)
//   pods/<key>/rootfs/    what a pod's root container runs from: the pause executable alone; removed with it
// Name resolution files and volumes come as mounts of the request (ports::SandboxFiles).
//
// Thread: all methods on the executor's one thread. gRPC's threads only post to it; blocking work (files, /proc) is
// done on a thread of the adapter's own. close() before destruction, when calls may still be in flight.
#pragma once

#include "base/time.hpp"
#include "ports/clock.hpp"
#include "ports/disk_gauge.hpp"
#include "ports/image_library.hpp"
#include "ports/process_runner.hpp"
#include "ports/runtime_exec.hpp"
#include "ports/sandbox_runtime.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace sandboxd::containerd {

struct Options {
  std::string socket_path;  // of containerd
  std::string state_dir;    // containerd's `state`: where leftover shims and bundles are looked for; empty: nowhere
  std::string run_dir;      // for the adapter's own files; made when missing
  std::string disk_dir;     // for the containers' disks, on a file system with room; empty: in run_dir
  ports::ProcessRunner* runner = nullptr;  // runs mkfs.ext4; without it no container's disk can be bounded
  std::string instance = "0";
  std::string snapshotter = "overlayfs";      // must be the one of the daemon's CRI plugin (daemon_config.hpp)
  std::string cgroup_parent = "/sandboxd-0";  // no component may begin with "pod": gVisor's shim takes that for a pod's
  std::string pause_binary;                   // sandboxd-pause; needed for pods only
  std::map<std::string, std::string> runsc_flags;  // added to, or replacing, the flags in runsc.toml
  std::string runsc_binary;                        // empty: "runsc", found in containerd's PATH
  Duration call_timeout = std::chrono::seconds(10);
  Duration create_timeout = std::chrono::minutes(2);
  Duration start_timeout = std::chrono::minutes(1);
  Duration stop_timeout = std::chrono::seconds(15);  // for each of: the exit after SIGKILL, the task's deletion
  Duration image_pull_timeout = std::chrono::minutes(8);
  // The daemon has no other user: every image in it may be removed. Else only those that this instance pulled.
  bool owns_daemon = false;
  std::string registry_auth_file;       // docker's config.json; read when a pull needs it; empty: no credentials
  ports::DiskGauge* disk = nullptr;     // of the disk that images lie on; null: pulls are not limited by it
  std::int64_t pull_reserve_bytes = 0;  // of that disk, which pulls leave free
};

class ContainerdRuntime final : public ports::SandboxRuntime, public ports::ImageLibrary, public ports::RuntimeExec {
 public:
  // Writes runsc.toml; does not connect. Errors: storage_failed or permission_denied, naming the path.
  [[nodiscard]] static Result<std::unique_ptr<ContainerdRuntime>> make(boost::asio::any_io_executor executor,
                                                                       ports::Clock& clock, Options options);
  ~ContainerdRuntime() override;
  ContainerdRuntime(const ContainerdRuntime&) = delete;
  ContainerdRuntime& operator=(const ContainerdRuntime&) = delete;

  // Ends shared pulls and the event stream. Callers' own calls must have ended. Containers are left alone.
  [[nodiscard]] Task<void> close();

  [[nodiscard]] Task<Result<void>> check() override;
  [[nodiscard]] Task<Result<ports::ImageInfo>> ensure_image(std::string reference) override;
  [[nodiscard]] std::optional<model::PullProgress> pull_progress(const std::string& reference) const override;
  [[nodiscard]] Task<Result<std::vector<ports::StoredImage>>> list_images() override;
  [[nodiscard]] Task<Result<void>> remove_image(std::string reference) override;
  [[nodiscard]] Result<std::string> normalise(const std::string& reference) const override;
  [[nodiscard]] Task<Result<ports::StoredImage>> pull(std::string reference,
                                                      std::optional<model::RegistryCredentials> credentials) override;
  [[nodiscard]] Task<Result<ports::StoredImage>> find(std::string reference) override;
  // The import must not outlive close().
  [[nodiscard]] Result<std::unique_ptr<ports::ImageImport>> begin_import(ports::ImageImportRequest request) override;
  [[nodiscard]] Task<Result<void>> create(ports::ContainerRequest request) override;
  [[nodiscard]] Task<Result<std::uint32_t>> start(std::string key) override;
  [[nodiscard]] Task<Result<void>> set_cpu_limit(std::string key, std::int64_t milli) override;
  [[nodiscard]] Task<Result<void>> pause(std::string key) override;
  [[nodiscard]] Task<Result<void>> resume(std::string key) override;
  [[nodiscard]] Task<Result<void>> ask_to_stop(std::string key) override;
  [[nodiscard]] Task<Result<std::optional<int>>> end_task(std::string key) override;
  [[nodiscard]] Task<Result<void>> remove(std::string key) override;
  [[nodiscard]] Task<Result<std::vector<ports::FoundContainer>>> list() override;
  [[nodiscard]] Task<Result<ports::RuntimeEvent>> next_event() override;
  [[nodiscard]] Task<Result<std::shared_ptr<ports::RuntimeProcess>>> start_process(
      ports::RuntimeExecRequest request) override;
  [[nodiscard]] Task<Result<void>> end_left_processes() override;

 private:
  class Impl;
  explicit ContainerdRuntime(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sandboxd::containerd
