// Gives a network namespace its interface and address. Real: cni/cni_provider (CNI ADD and DEL). The network adapter
// uses it so that any CNI conflist can take the place of bridge and host-local.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"

#include <string>
#include <vector>

namespace sandboxd::ports {

struct InterfaceInfo {
  std::string host_interface;  // the veth's host side; empty when the plugin made none
  std::string mac;             // of the interface inside
  std::string ip;              // IPv4, without prefix length
  std::string gateway;
};

class InterfaceProvider {
 public:
  virtual ~InterfaceProvider() = default;
  // What attach() needs is there: else unavailable, with what to install.
  [[nodiscard]] virtual Result<void> check() const = 0;
  // CNI ADD for eth0. On an error the plugins' own leftovers were removed. Errors: network_failed, resource_exhausted.
  [[nodiscard]] virtual Task<Result<InterfaceInfo>> attach(std::string container_id, std::string namespace_path) = 0;
  // CNI DEL. Success also when nothing is attached or the namespace is gone.
  [[nodiscard]] virtual Task<Result<void>> detach(std::string container_id, std::string namespace_path) = 0;
  // Every container id that still holds an interface or an address, complete or half attached.
  [[nodiscard]] virtual Task<Result<std::vector<std::string>>> attached() = 0;
};

}  // namespace sandboxd::ports
