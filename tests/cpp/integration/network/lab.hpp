// A small internet for one test process: its own network and mount namespace stands for the host, a second namespace
// for everything outside. The machine's own firewall, bridges and /run/netns are never touched, and everything is gone
// when the process ends, however it ends.
#pragma once

#include "aio/io_runtime.hpp"
#include "cni/cni_provider.hpp"
#include "network/host_network.hpp"
#include "proc/posix_runner.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>

namespace sandboxd::test {

// The wire between host and outside, and what is found out there.
inline constexpr const char* kHostAddress = "203.0.113.1";
inline constexpr const char* kOutsideAddress = "203.0.113.2";
inline constexpr const char* kPublicAddress = "8.8.8.8";
inline constexpr const char* kOtherPublicAddress = "9.9.9.9";
inline constexpr const char* kPrivateAddress = "10.1.2.3";
inline constexpr const char* kResolverAddress = "192.168.7.53";
inline constexpr const char* kMetadataAddress = "169.254.169.254";
inline constexpr const char* kOutsideNamespace = "/run/netns/outside";

// Once per process, before any thread: leaves the machine's namespaces and builds the outside. Throws with the reason.
void enter_private_machine();

// A shell command on the private host; throws with its text when it fails. Only fixed text and our own names.
void sh(const std::string& command);
// Its standard output.
std::string sh_output(const std::string& command);

// Runs `work` on a thread inside the namespace at `path`.
void inside(const std::string& path, const std::function<void()>& work);

// One HostNetwork with everything it needs, as a node agent would have it. reopen() is a restart of the agent.
class HostLab {
 public:
  explicit HostLab(std::string subnet = "10.77.0.0/24");
  ~HostLab();
  HostLab(const HostLab&) = delete;
  HostLab& operator=(const HostLab&) = delete;

  [[nodiscard]] network::HostNetwork& network() { return *network_; }
  [[nodiscard]] static network::HostNetworkOptions options(std::string subnet = "10.77.0.0/24");
  void reopen();
  void finish(Task<void> task);

  template <class T>
  T call(Task<T> task) {
    return boost::asio::co_spawn(runtime_.context(), std::move(task), boost::asio::use_future).get();
  }

 private:
  void open();
  void close();

  std::string subnet_;
  std::string directory_;
  aio::IoRuntime runtime_;
  proc::PosixRunner runner_;
  std::unique_ptr<cni::CniProvider> provider_;
  std::unique_ptr<network::HostNetwork> network_;
};

}  // namespace sandboxd::test
