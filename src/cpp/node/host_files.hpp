// ports::SandboxFiles on this machine: resolv.conf, hosts and hostname below <run_dir>/files/<sandbox>, and shared
// volumes as tmpfs mounts of their size in <run_dir>/volumes/<sandbox>/<volume> (sandboxd-o's volumes are memory too).
// The former lie on a tmpfs of 64 KiB, because containers may write to them.
//
// Everything is on the run directory, so a reboot empties it together with the containers that used it. Blocking work
// is done on a thread of its own. Names were validated before they become paths.
#pragma once

#include "aio/blocking_pool.hpp"
#include "ports/sandbox_files.hpp"

#include <string>
#include <vector>

namespace sandboxd::node {

class HostFiles final : public ports::SandboxFiles {
 public:
  HostFiles(std::string run_dir, std::vector<std::string> dns_servers)
      : run_dir_(std::move(run_dir)), dns_servers_(std::move(dns_servers)) {}

  [[nodiscard]] Task<Result<ports::SandboxFilesReady>> prepare(ports::SandboxFilesRequest request) override;
  [[nodiscard]] Task<Result<void>> remove(SandboxId sandbox) override;
  [[nodiscard]] Task<Result<std::vector<SandboxId>>> list() override;

 private:
  Result<ports::SandboxFilesReady> prepare_now(const ports::SandboxFilesRequest& request) const;
  Result<void> remove_now(const SandboxId& sandbox) const;
  std::vector<SandboxId> list_now() const;
  [[nodiscard]] std::string files_dir(const SandboxId& sandbox) const { return run_dir_ + "/files/" + sandbox.str(); }
  [[nodiscard]] std::string volumes_dir(const SandboxId& sandbox) const {
    return run_dir_ + "/volumes/" + sandbox.str();
  }

  std::string run_dir_;
  std::vector<std::string> dns_servers_;
  aio::BlockingPool pool_{1};
};

}  // namespace sandboxd::node
