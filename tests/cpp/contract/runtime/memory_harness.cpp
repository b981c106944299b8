// The deterministic adapter. Its latencies are short, so that the real clock serves.
#include "aio/system_clock.hpp"
#include "contract/runtime/runtime_contract.hpp"
#include "sim/memory_library.hpp"
#include "sim/memory_meter.hpp"
#include "sim/memory_runtime.hpp"

namespace sandboxd::test {
namespace {

class MemoryHarness final : public RuntimeHarness {
 public:
  MemoryHarness() : machine_(std::make_shared<sim::MemoryRuntimeMachine>(io_.get_executor(), clock_, options())) {
    machine_->missing_images.insert("127.0.0.1:1/no/such:image");
    restart();
  }
  ~MemoryHarness() override { run_task(io_, machine_->stop()); }

  ports::SandboxRuntime& runtime() override { return *runtime_; }
  void restart() override {
    runtime_ = std::make_unique<sim::MemoryRuntime>(machine_);
    library_ = std::make_unique<sim::MemoryLibrary>(machine_);
  }
  [[nodiscard]] std::string image() const override { return "sbxt-busybox:1"; }
  [[nodiscard]] std::string spare_image() override {
    const std::string name = "docker.io/library/sbxt-spare:" + std::to_string(++spares_);
    machine_->images.local.insert(name);
    return name;
  }
  [[nodiscard]] std::string handler() const override { return "runsc"; }
  [[nodiscard]] std::string network_namespace() const override { return "/run/netns/none"; }
  [[nodiscard]] std::string prefix() const override { return "memory-"; }
  boost::asio::io_context& io() override { return io_; }
  ports::ImageLibrary& library() override { return *library_; }
  ports::UsageMeter& meter() override { return meter_; }
  void note_running(const std::string& key, std::int64_t memory_limit) override {
    meter_.usage[key] = {1'000'000, 4 << 20, memory_limit, 1};
  }

 private:
  static sim::MemoryRuntimeOptions options() {
    sim::MemoryRuntimeOptions options;
    options.pull_latency = std::chrono::milliseconds(2);
    options.create_latency = options.start_latency = options.remove_latency = std::chrono::milliseconds(1);
    return options;
  }

  int spares_ = 0;
  boost::asio::io_context io_;
  aio::SystemClock clock_;
  std::shared_ptr<sim::MemoryRuntimeMachine> machine_;
  std::unique_ptr<sim::MemoryRuntime> runtime_;
  std::unique_ptr<sim::MemoryLibrary> library_;
  sim::MemoryMeter meter_;
};

}  // namespace

std::vector<RuntimeFactory> runtime_factories() {
  return {{"memory", [] { return std::make_unique<MemoryHarness>(); }}};
}

}  // namespace sandboxd::test
