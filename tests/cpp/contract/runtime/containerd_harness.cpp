// The real thing: a private containerd, both handlers. One daemon serves all cases of the process.
#include "aio/system_clock.hpp"
#include "containerd/cgroup_meter.hpp"
#include "containerd/containerd_runtime.hpp"
#include "contract/runtime/runtime_contract.hpp"
#include "proc/posix_runner.hpp"
#include "support/private_containerd.hpp"

#include <gtest/gtest.h>

namespace sandboxd::test {
namespace {

struct Shared {
  PrivateContainerd daemon;
  NetworkNamespace network{daemon.name() + "-n"};
  std::string image = daemon.import_busybox();
};

std::unique_ptr<Shared>& shared_slot() {
  static std::unique_ptr<Shared> instance;
  return instance;
}

std::unique_ptr<Shared>& shared() {
  if (!shared_slot()) shared_slot() = std::make_unique<Shared>();
  return shared_slot();
}

// Tears the daemon down before statics die, also when a case failed.
class SharedEnd final : public testing::Environment {
 public:
  void TearDown() override { shared_slot().reset(); }
};
const auto* const kRegistered = testing::AddGlobalTestEnvironment(new SharedEnd);

class ContainerdHarness final : public RuntimeHarness {
 public:
  explicit ContainerdHarness(std::string handler) : handler_(std::move(handler)) { start(); }
  ~ContainerdHarness() override { stop(); }

  ports::SandboxRuntime& runtime() override { return *runtime_; }
  void restart() override {
    stop();
    start();
  }
  [[nodiscard]] std::string image() const override { return shared()->image; }
  [[nodiscard]] std::string spare_image() override { return shared()->daemon.import_spare(); }
  [[nodiscard]] std::string handler() const override { return handler_; }
  [[nodiscard]] std::string network_namespace() const override { return shared()->network.path(); }
  [[nodiscard]] std::string prefix() const override { return shared()->daemon.name() + "-" + handler_ + "-"; }
  boost::asio::io_context& io() override { return io_; }
  ports::ImageLibrary& library() override { return *runtime_; }
  ports::UsageMeter& meter() override { return meter_; }
  void note_running(const std::string&, std::int64_t) override {}

 private:
  void start() {
    auto options = shared()->daemon.options("t");
    options.runner = &runner_;  // gVisor is paused by its program
    auto made = containerd::ContainerdRuntime::make(io_.get_executor(), clock_, std::move(options));
    if (!made) throw std::runtime_error(made.error().message());
    runtime_ = std::move(*made);
  }
  void stop() {
    run_task(io_, runtime_->close());
    runtime_.reset();
  }

  std::string handler_;
  boost::asio::io_context io_;
  aio::SystemClock clock_;
  proc::PosixRunner runner_;
  std::unique_ptr<containerd::ContainerdRuntime> runtime_;
  containerd::CgroupMeter meter_{shared()->daemon.options("t").cgroup_parent};
};

}  // namespace

std::vector<RuntimeFactory> runtime_factories() {
  std::vector<RuntimeFactory> out;
  for (const char* handler : {"runc", "runsc"}) {
    out.push_back({handler, [handler] { return std::make_unique<ContainerdHarness>(handler); }});
  }
  return out;
}

}  // namespace sandboxd::test
