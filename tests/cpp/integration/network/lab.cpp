#include "integration/network/lab.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sched.h>
#include <stdexcept>
#include <sys/mount.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace sandboxd::test {
namespace {

void require(bool ok, const std::string& what) {
  if (!ok) throw std::runtime_error(what + ": " + std::strerror(errno) + " (the network tests need root)");
}

}  // namespace

std::string sh_output(const std::string& command) {
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "re");
  require(pipe != nullptr, command);
  std::string output;
  std::array<char, 4096> buffer{};
  while (std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) output.append(buffer.data(), n);
  if (::pclose(pipe) != 0) throw std::runtime_error("`" + command + "` failed: " + output);
  return output;
}

void sh(const std::string& command) { static_cast<void>(sh_output(command)); }

void enter_private_machine() {
  require(::unshare(CLONE_NEWNET | CLONE_NEWNS) == 0, "unshare");
  require(::mount("", "/", "none", MS_REC | MS_PRIVATE, nullptr) == 0, "make mounts private");
  std::filesystem::create_directories("/run/netns");
  require(::mount("tmpfs", "/run/netns", "tmpfs", 0, nullptr) == 0, "mount a private /run/netns");
  require(::mount("sysfs", "/sys", "sysfs", 0, nullptr) == 0, "mount sysfs of the private network namespace");
  sh("ip link set lo up");
  sh("ip netns add outside && ip -n outside link set lo up");
  sh("ip link add up0 type veth peer name eth0 netns outside");
  sh("ip addr add " + std::string(kHostAddress) + "/24 dev up0 && ip link set up0 up");
  sh("ip -n outside addr add " + std::string(kOutsideAddress) + "/24 dev eth0 && ip -n outside link set eth0 up");
  for (const char* address : {kPublicAddress, kOtherPublicAddress, kPrivateAddress, kResolverAddress, kMetadataAddress})
    sh("ip -n outside addr add " + std::string(address) + "/32 dev lo");
  sh("ip route add default via " + std::string(kOutsideAddress));
  // So that an answer is possible whatever source address gets out: what is not seen was not let through.
  sh("ip -n outside route add default via " + std::string(kHostAddress));
}

void inside(const std::string& path, const std::function<void()>& work) {
  std::exception_ptr failure;
  std::thread thread([&] {
    try {
      const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
      require(fd >= 0, "open " + path);
      const bool entered = ::setns(fd, CLONE_NEWNET) == 0;
      ::close(fd);
      require(entered, "enter " + path);
      work();
    } catch (...) {
      failure = std::current_exception();
    }
  });
  thread.join();
  if (failure) std::rethrow_exception(failure);
}

HostLab::HostLab(std::string subnet) : subnet_(std::move(subnet)), runtime_("lab") {
  std::array<char, 32> name{"/tmp/sandboxd-net-XXXXXX"};
  require(::mkdtemp(name.data()) != nullptr, "mkdtemp");
  directory_ = name.data();
  runtime_.start();
  open();
}

HostLab::~HostLab() {
  auto gone = call(network_->teardown());
  if (!gone) std::fprintf(stderr, "teardown: %s\n", gone.error().message().c_str());
  close();
  runtime_.stop();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

network::HostNetworkOptions HostLab::options(std::string subnet) {
  network::HostNetworkOptions options;
  options.instance = "t";
  options.bridge = "sbx-brt";
  options.subnet_cidr = std::move(subnet);
  options.dns_servers = {kResolverAddress};
  options.forward_hook_chains = {"FORWARD", "DOCKER-USER"};
  return options;
}

void HostLab::open() {
  cni::DefaultConfigOptions config;
  config.name = "sandboxd-t";
  config.bridge = options(subnet_).bridge;
  config.subnet = options(subnet_).subnet_cidr;
  config.gateway = "10.77.0.1";
  config.ipam_dir = directory_ + "/ipam";
  cni::CniOptions cni;
  cni.bin_dir = "/usr/lib/cni";
  cni.cache_dir = directory_ + "/cni";
  cni.config = cni::default_config(config);
  provider_ = std::make_unique<cni::CniProvider>(cni, runner_);
  network_ = network::HostNetwork::make(runtime_.context().get_executor(), options(subnet_), *provider_).value();
  provider_->check().value();
  call(network_->start()).value();
}

void HostLab::close() {
  finish(network_->stop());
  // On its own thread: nothing of it runs any more.
  network_.reset();
  provider_.reset();
}

void HostLab::finish(Task<void> task) {
  boost::asio::co_spawn(runtime_.context(), std::move(task), boost::asio::use_future).get();
}

void HostLab::reopen() {
  close();
  open();
}

}  // namespace sandboxd::test
