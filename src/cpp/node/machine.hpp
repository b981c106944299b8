// The real adapters of one node, composed: the only place (with node_daemon.cpp) that knows them all. Core thread.
//
// Where things lie: <data_dir>/node.db (records), <data_dir>/commands.db, <data_dir>/logs, <data_dir>/disks (what
// containers write); <run_dir>/runtime (adapter files of containerd), <run_dir>/cni (reservations and cache: gone after
// a reboot, as the interfaces are), <run_dir>/io (FIFOs), <run_dir>/agents (where agents meet the node),
// <run_dir>/files and <run_dir>/volumes.
#pragma once

#include "aio/system_clock.hpp"
#include "base/result.hpp"
#include "cni/cni_provider.hpp"
#include "containerd/cgroup_meter.hpp"
#include "containerd/containerd_runtime.hpp"
#include "guestlink/guest_agents.hpp"
#include "http/socket_prober.hpp"
#include "logs/log_holder_client.hpp"
#include "network/host_network.hpp"
#include "node/agent.hpp"
#include "node/config.hpp"
#include "node/host_files.hpp"
#include "proc/kill_at_step.hpp"
#include "proc/posix_runner.hpp"
#include "proc/statvfs_gauge.hpp"
#include "store/sqlite_command_store.hpp"
#include "store/sqlite_node_store.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <optional>
#include <string>

namespace sandboxd::node {

class Machine {
 public:
  // Makes directories and adapters; touches no network and no container. Errors name the setting or the path.
  [[nodiscard]] static Result<std::unique_ptr<Machine>> make(boost::asio::any_io_executor executor,
                                                             const NodeConfig& config);
  // Ends what the adapters do by themselves. Containers, slots and the log holder go on.
  [[nodiscard]] Task<void> stop();
  // Removes network, volumes, cgroups and log holder of an instance without sandboxes.
  [[nodiscard]] Task<Result<void>> remove_traces();

  [[nodiscard]] AgentPorts ports();

 private:
  explicit Machine(const NodeConfig& config) : config_(config) {}
  Result<void> build(boost::asio::any_io_executor executor);
  Result<void> build_network(boost::asio::any_io_executor executor);
  Result<void> build_runtime(boost::asio::any_io_executor executor);

  NodeConfig config_;
  aio::SystemClock clock_;
  proc::PosixRunner runner_;
  proc::StatvfsGauge disk_{config_.data_dir};
  std::unique_ptr<store::SqliteNodeStore> store_;
  std::unique_ptr<store::SqliteCommandStore> commands_;
  std::unique_ptr<cni::CniProvider> cni_;
  std::unique_ptr<network::HostNetwork> network_;
  std::unique_ptr<containerd::ContainerdRuntime> runtime_;
  std::unique_ptr<containerd::CgroupMeter> meter_;
  std::unique_ptr<logs::LogHolderClient> output_;
  std::unique_ptr<guestlink::GuestAgents> guests_;
  std::unique_ptr<http::SocketProber> prober_;
  std::unique_ptr<HostFiles> files_;
  std::optional<proc::KillAtStep> failpoint_;
};

}  // namespace sandboxd::node
