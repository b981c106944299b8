#include "node/machine.hpp"

#include "base/log.hpp"
#include "cni/config.hpp"
#include "containerd/container_disks.hpp"
#include "containerd/daemon_config.hpp"
#include "network/address.hpp"

#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace sandboxd::node {
namespace {

namespace fs = std::filesystem;

constexpr Log kLog("node");

// For root alone: environment variables and logs of sandboxes lie below it.
Result<void> make_private_directory(const std::string& path) {
  std::error_code failure;
  fs::create_directories(path, failure);
  if (failure) return errno_error(failure.value(), "make directory " + path, ErrorCode::storage_failed);
  if (::chmod(path.c_str(), 0700) != 0) return errno_error(errno, "chmod " + path, ErrorCode::storage_failed);
  return {};
}

std::string cgroup_parent(const NodeConfig& config) {
  const std::string parent = config.cgroup_parent.empty() ? "/sandboxd-" + config.instance : config.cgroup_parent;
  return parent.starts_with('/') ? parent : "/" + parent;
}

Result<cni::NetworkConfig> cni_config(const NodeConfig& config) {
  if (!config.cni_conf_path.empty()) return cni::load_config(config.cni_conf_path);
  const auto subnet = network::parse_cidr(config.subnet_cidr);
  if (!subnet) return Error(ErrorCode::invalid_argument, "subnet_cidr: invalid subnet cidr: " + config.subnet_cidr);
  cni::DefaultConfigOptions options;
  options.name = "sbxnet-" + config.instance;
  options.bridge = config.bridge();
  options.subnet = config.subnet_cidr;
  options.gateway = network::to_text(subnet->at(1));
  options.ipam_dir = config.run_dir + "/cni/ipam";
  return cni::default_config(options);
}

// Bottom up, empty cgroups only: the kernel refuses the others.
void remove_cgroups(const std::string& path) {
  std::error_code failure;
  std::vector<fs::path> below;
  for (const auto& entry : fs::directory_iterator(path, failure)) {
    if (entry.is_directory(failure) && !entry.is_symlink(failure)) below.push_back(entry.path());
  }
  for (const fs::path& child : below) remove_cgroups(child);
  if (!failure && ::rmdir(path.c_str()) != 0 && errno != ENOENT)
    kLog.warn("cgroup left behind", {{"path", path}, {"error", std::generic_category().message(errno)}});
}

}  // namespace

Result<std::unique_ptr<Machine>> Machine::make(boost::asio::any_io_executor executor, const NodeConfig& config) {
  std::unique_ptr<Machine> machine(new Machine(config));
  SBX_CHECK(machine->build(std::move(executor)));
  return machine;
}

Result<void> Machine::build(boost::asio::any_io_executor executor) {
  for (const std::string& path : {config_.data_dir, config_.run_dir}) SBX_CHECK(make_private_directory(path));
  if (!config_.crash_at_step.empty()) {
    SBX_TRY(failpoint, proc::KillAtStep::parse(config_.crash_at_step));
    failpoint_ = std::move(failpoint);
  }
  store::Database::Options database;
  database.path = config_.data_dir + "/node.db";
  SBX_TRY(opened, store::SqliteNodeStore::open(std::move(database)));
  store_ = std::move(opened);
  store::Database::Options commands;
  commands.path = config_.data_dir + "/commands.db";
  SBX_TRY(opened_commands, store::SqliteCommandStore::open(std::move(commands)));
  commands_ = std::move(opened_commands);
  SBX_CHECK(build_network(executor));
  SBX_CHECK(build_runtime(executor));
  logs::LogHolderOptions output;
  output.program = config_.helper_dir + "/sandboxd-logholder";
  output.run_dir = config_.run_dir;
  output.data_dir = config_.data_dir;
  output.bytes_max = config_.log_bytes_max;
  output_ = std::make_unique<logs::LogHolderClient>(executor, clock_, runner_, std::move(output));
  guestlink::Options guests;
  guests.run_dir = config_.run_dir;
  guests.program = config_.helper_dir + "/sandboxd-agent";
  guests_ = std::make_unique<guestlink::GuestAgents>(executor, clock_, std::move(guests));
  prober_ = std::make_unique<http::SocketProber>(executor);
  return {};
}

Result<void> Machine::build_network(boost::asio::any_io_executor executor) {
  const std::vector<std::string> dns = config_.dns_servers.empty() ? network::host_dns_servers() : config_.dns_servers;
  SBX_TRY(config, cni_config(config_));
  SBX_CHECK(make_private_directory(config_.run_dir + "/cni"));
  cni_ = std::make_unique<cni::CniProvider>(
      cni::CniOptions{config_.cni_bin_dir, config_.run_dir + "/cni/cache", std::move(config)}, runner_);
  network::HostNetworkOptions options;
  options.instance = config_.instance;
  options.bridge = config_.bridge();
  options.subnet_cidr = config_.subnet_cidr;
  options.dns_servers = dns;
  options.forward_hook_chains = config_.forward_hook_chains;
  SBX_TRY(network, network::HostNetwork::make(std::move(executor), std::move(options), *cni_));
  network_ = std::move(network);
  files_ = std::make_unique<HostFiles>(config_.run_dir, dns);
  return {};
}

Result<void> Machine::build_runtime(boost::asio::any_io_executor executor) {
  if (const auto tools = containerd::check_disk_tools(); !tools) {
    // Under runsc only the volumes of images need them: what cannot be bounded is refused when it is created.
    if (config_.runtime == "runc") return tools.error();
    kLog.warn("disks of containers cannot be bounded", {{"error", tools.error().message()}});
  }
  containerd::Options options;
  options.socket_path = config_.containerd_socket();
  options.state_dir = config_.run_dir + "/containerd";
  options.run_dir = config_.run_dir + "/runtime";
  options.disk_dir = config_.data_dir + "/disks";
  options.runner = &runner_;
  options.instance = config_.instance;
  options.snapshotter = config_.snapshotter;
  if (options.snapshotter.empty()) {
    // The same choice as whoever configured the instance's own containerd makes, on the same disk.
    SBX_TRY(chosen, containerd::choose_snapshotter(config_.data_dir));
    options.snapshotter = std::move(chosen);
  }
  options.cgroup_parent = cgroup_parent(config_);
  options.pause_binary = config_.helper_dir + "/sandboxd-pause";
  options.create_timeout = config_.container_create_timeout;
  options.image_pull_timeout = config_.image_pull_timeout;
  options.owns_daemon = config_.containerd_address.empty();
  options.registry_auth_file = config_.registry_auth_file;
  options.disk = &disk_;
  options.pull_reserve_bytes = config_.image_pull_reserve_bytes;
  SBX_TRY(runtime, containerd::ContainerdRuntime::make(std::move(executor), clock_, std::move(options)));
  runtime_ = std::move(runtime);
  meter_ = std::make_unique<containerd::CgroupMeter>(cgroup_parent(config_));
  return {};
}

Task<void> Machine::stop() {
  co_await guests_->stop();
  co_await runtime_->close();
  co_await output_->stop();
  co_await network_->stop();
}

Task<Result<void>> Machine::remove_traces() {
  auto contents = co_await store_->load();
  if (!contents) co_return contents.error();
  if (!contents->sandboxes.empty())
    co_return Error(ErrorCode::conflict,
                    std::to_string(contents->sandboxes.size()) + " sandboxes are left on this node: delete them first");
  SBX_CO_CHECK(co_await network_->teardown());
  auto left = co_await files_->list();
  if (!left) co_return left.error();
  for (const SandboxId& sandbox : *left) SBX_CO_CHECK(co_await files_->remove(sandbox));
  SBX_CO_CHECK(co_await output_->shut_down_holder());
  const std::string parent = cgroup_parent(config_);
  remove_cgroups("/sys/fs/cgroup" + parent);
  std::error_code failure;
  for (const auto& controller : fs::directory_iterator("/sys/fs/cgroup", failure)) {
    if (controller.is_symlink(failure)) continue;
    const std::string path = controller.path().string() + parent;
    if (fs::exists(path, failure)) remove_cgroups(path);
  }
  co_return Result<void>();
}

AgentPorts Machine::ports() {
  return {.clock = clock_,
          .store = *store_,
          .runtime = *runtime_,
          .network = *network_,
          .output = *output_,
          .prober = *prober_,
          .files = files_.get(),
          .steps = failpoint_ ? &*failpoint_ : nullptr,
          .disk = &disk_,
          .guests = guests_.get(),
          .exec = runtime_.get(),
          .commands = commands_.get(),
          .images = runtime_.get(),
          .usage = meter_.get()};
}

}  // namespace sandboxd::node
