// Executes the plugins of one network configuration for one container. No state and no files: cni_provider keeps
// those.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "cni/config.hpp"
#include "ports/process_runner.hpp"

#include <string>

namespace sandboxd::cni {

struct ChainCall {
  std::string container_id;
  std::string namespace_path;  // empty for a DEL when the namespace is gone
  std::string interface_name = "eth0";
};

class PluginChain {
 public:
  PluginChain(std::string bin_dir, ports::ProcessRunner& runner) : bin_dir_(std::move(bin_dir)), runner_(runner) {}

  // ADD of every plugin in order, each given the result of the one before; returns the last result's text. When one
  // fails, DEL of all plugins in reverse order before the error is returned.
  [[nodiscard]] Task<Result<std::string>> add(NetworkConfig config, ChainCall call) const;
  // DEL of every plugin in reverse order. Goes on after a failure and returns the first one. `result_text` is the ADD's
  // result, or empty.
  [[nodiscard]] Task<Result<void>> del(NetworkConfig config, ChainCall call, std::string result_text) const;

 private:
  [[nodiscard]] Task<Result<std::string>> execute(std::string verb, boost::json::object plugin, ChainCall call) const;

  std::string bin_dir_;
  ports::ProcessRunner& runner_;
};

}  // namespace sandboxd::cni
