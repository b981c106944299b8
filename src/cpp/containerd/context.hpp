// What the parts of the adapter share. Private to this folder; one per ContainerdRuntime, used on its one thread.
#pragma once

#include "aio/blocking_pool.hpp"
#include "aio/task_group.hpp"
#include "containerd/container_disks.hpp"
#include "containerd/containerd_runtime.hpp"
#include "containerd/grpc_channel.hpp"
#include "ports/clock.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <string>

namespace sandboxd::containerd {

inline constexpr const char* kNamespace = "k8s.io";
inline constexpr const char* kLabelInstance = "sandboxd.instance";
inline constexpr const char* kLabelSandbox = "sandboxd.sandbox";
inline constexpr const char* kLabelUid = "sandboxd.uid";
inline constexpr const char* kLabelStopSignal = "sandboxd.stop-signal";  // the image's, as it says
inline constexpr const char* kLabelPod = "sandboxd.pod";                 // a member's: its root's key

struct Context {
  Context(boost::asio::any_io_executor on, ports::Clock& time, Options given)
      : executor(on),
        clock(time),
        options(std::move(given)),
        runsc_config(options.run_dir + "/runsc.toml"),
        channel(options.socket_path, kNamespace),
        group(on),
        files(1),
        disks(options.disk_dir.empty() ? options.run_dir + "/disk-images" : options.disk_dir,
              options.run_dir + "/disks", options.runner) {}

  [[nodiscard]] std::string bundle_dir(const std::string& key) const {
    return options.state_dir + "/io.containerd.runtime.v2.task/" + kNamespace + "/" + key;
  }
  [[nodiscard]] std::string exec_dir(const std::string& key) const { return options.run_dir + "/execs/" + key; }
  [[nodiscard]] std::string pod_dir(const std::string& key) const { return options.run_dir + "/pods/" + key; }

  boost::asio::any_io_executor executor;
  ports::Clock& clock;
  const Options options;
  const std::string runsc_config;  // path
  GrpcChannel channel;
  aio::TaskGroup group;     // coroutines that no caller waits for: shared pulls, the event stream's marker
  aio::BlockingPool files;  // host files and /proc
  ContainerDisks disks;
};

}  // namespace sandboxd::containerd
