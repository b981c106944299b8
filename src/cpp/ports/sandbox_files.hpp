// Files and directories of a sandbox that live on the host and are bind-mounted into its containers: name resolution
// and shared volumes. Real: node/host_files. Optional: without it containers get neither.
#pragma once

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "model/spec.hpp"
#include "ports/sandbox_runtime.hpp"

#include <map>
#include <string>
#include <vector>

namespace sandboxd::ports {

struct SandboxFilesRequest {
  SandboxId sandbox;
  std::string hostname;
  std::string ip;
  std::vector<model::Volume> volumes;
};

struct SandboxFilesReady {
  std::vector<BindMount> common;               // for every container: resolv.conf, hosts, hostname
  std::map<std::string, std::string> volumes;  // name -> host directory
};

class SandboxFiles {
 public:
  virtual ~SandboxFiles() = default;
  // Idempotent: what is there already is used. Errors: storage_failed, permission_denied.
  [[nodiscard]] virtual Task<Result<SandboxFilesReady>> prepare(SandboxFilesRequest request) = 0;
  // Unmounts and deletes. Success also when there is nothing.
  [[nodiscard]] virtual Task<Result<void>> remove(SandboxId sandbox) = 0;
  // Sandboxes that have files, for finding orphans.
  [[nodiscard]] virtual Task<Result<std::vector<SandboxId>>> list() = 0;
};

}  // namespace sandboxd::ports
