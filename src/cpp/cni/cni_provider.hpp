// Interfaces by CNI plugins, as the CNI specification 0.3.0 to 1.0.0 describes them: every plugin of a conflist is
// executed with its configuration on standard input, ADD in order, DEL in reverse order.
//
// What was attached is kept in one file per container id in `cache_dir`, written before the first ADD and completed
// after the last: a DEL, also of another run of this process, gets the configuration that the ADD had and its result.
// One interface, "eth0", per container. Core thread; several calls for different containers may be under way.
#pragma once

#include "cni/config.hpp"
#include "cni/plugin_chain.hpp"
#include "ports/interface_provider.hpp"
#include "ports/process_runner.hpp"

#include <string>
#include <vector>

namespace sandboxd::cni {

struct CniOptions {
  std::string bin_dir;    // where the plugins are, such as /usr/lib/cni
  std::string cache_dir;  // ours alone; best on a file system that a reboot empties, as the interfaces are gone then
  NetworkConfig config;   // default_config(), or load_config() of the user's file
};

class CniProvider final : public ports::InterfaceProvider {
 public:
  // `runner` must outlive this.
  CniProvider(CniOptions options, ports::ProcessRunner& runner);

  [[nodiscard]] Result<void> check() const override;  // every plugin's executable
  [[nodiscard]] Task<Result<ports::InterfaceInfo>> attach(std::string container_id,
                                                          std::string namespace_path) override;
  [[nodiscard]] Task<Result<void>> detach(std::string container_id, std::string namespace_path) override;
  [[nodiscard]] Task<Result<std::vector<std::string>>> attached() override;

 private:
  [[nodiscard]] Task<Result<ports::InterfaceInfo>> add(std::string container_id, std::string namespace_path);
  [[nodiscard]] std::string cache_file(const std::string& container_id) const;

  CniOptions options_;
  PluginChain chain_;
};

}  // namespace sandboxd::cni
