// A containerd of a test's own: own directories, socket and control group, in a directory below /tmp. Everything is
// torn down by the destructor, and what a killed test left behind is by the next test's constructor.
#pragma once

#include "containerd/containerd_runtime.hpp"

#include <string>
#include <sys/types.h>
#include <vector>

namespace sandboxd::test {

// Runs `argv` to its end with a PATH that has the system's and gVisor's tools. Throws std::runtime_error with the
// output unless it succeeds; returns the output otherwise.
std::string run_command(const std::vector<std::string>& argv);
std::string run_shell(const std::string& script);

class PrivateContainerd {
 public:
  // Starts the daemon and waits until it answers. Needs root; throws std::runtime_error naming what is missing.
  PrivateContainerd();
  ~PrivateContainerd();
  PrivateContainerd(const PrivateContainerd&) = delete;
  PrivateContainerd& operator=(const PrivateContainerd&) = delete;

  [[nodiscard]] const std::string& directory() const { return directory_; }
  [[nodiscard]] std::string name()
      const;  // unique on the machine, starts with "sbxt-": for keys, namespaces, instances
  [[nodiscard]] std::string socket() const { return directory_ + "/c.sock"; }
  [[nodiscard]] std::string state_dir() const { return directory_ + "/state"; }
  // Ready for ContainerdRuntime::make(); the pause binary is the one of this build.
  [[nodiscard]] containerd::Options options(const std::string& instance) const;

  std::string ctr(std::vector<std::string> arguments);  // in the namespace k8s.io
  // A busybox image in Docker's archive format: user app (1000, groups 1000 and 50), working directory /work, variable
  // IMAGE_SAYS=hello, command `sh -c 'echo from the image'`. Built once per object.
  std::string busybox_archive();
  // Imports it; returns its name, "docker.io/library/sbxt-busybox:1".
  std::string import_busybox();
  // Imports another one, of the same layer but with a digest of its own; its name.
  std::string import_spare();

  void kill_daemon();   // SIGKILL; containers and shims live on
  void start_daemon();  // again, on the same directories

 private:
  std::string directory_;
  pid_t daemon_ = -1;
  int spares_ = 0;
};

// A network namespace, `ip netns add` named as given, gone with the object.
class NetworkNamespace {
 public:
  explicit NetworkNamespace(std::string name);
  ~NetworkNamespace();
  NetworkNamespace(const NetworkNamespace&) = delete;
  NetworkNamespace& operator=(const NetworkNamespace&) = delete;
  [[nodiscard]] std::string path() const { return "/run/netns/" + name_; }

 private:
  std::string name_;
};

}  // namespace sandboxd::test
