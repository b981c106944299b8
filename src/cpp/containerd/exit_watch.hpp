// True exit codes of gVisor sandboxes.
//
// gVisor's shim learns an exit code by starting `runsc wait` after the start; a workload that ends sooner, or a sandbox
// that the kernel kills, is reported as 128 ("could not wait"). The sandbox process itself ends with the workload's
// code, and since Linux 6.15 a pidfd that was opened in time tells it to anybody (PIDFD_GET_INFO). On older kernels 128
// stays. One thread; nothing blocks.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace sandboxd::containerd {

class ExitWatch {
 public:
  // The shim's word for "unknown".
  static constexpr int kUnknown = 128;

  ExitWatch() = default;
  ~ExitWatch();
  ExitWatch(const ExitWatch&) = delete;
  ExitWatch& operator=(const ExitWatch&) = delete;

  // To be called while the process certainly lives. Again for the same key: keeps the first.
  void watch(const std::string& key, std::uint32_t pid);
  // `reported`, or the truth where that says nothing and the truth is known; 128 + signal when killed by one.
  [[nodiscard]] int correct(const std::string& key, int reported) const;
  void forget(const std::string& key);

 private:
  std::map<std::string, int> descriptors_;
};

}  // namespace sandboxd::containerd
