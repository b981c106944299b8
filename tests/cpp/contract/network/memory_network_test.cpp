#include "sim/memory_network.hpp"

#include "aio/system_clock.hpp"
#include "contract/network/network_contract.hpp"
#include "support/run_task.hpp"

#include <cstdio>

namespace sandboxd::test {
namespace {

class MemoryHarness final : public NetworkHarness {
 public:
  MemoryHarness() { restart(); }
  ~MemoryHarness() override { EXPECT_EQ(machine_->violations(), std::vector<std::string>()); }

  ports::SandboxNetwork& network() override { return *network_; }
  void restart() override {
    sim::MemoryNetworkOptions options;
    options.addresses = 13;
    options.make_latency = options.destroy_latency = options.rule_latency = Duration(0);
    network_ = std::make_unique<sim::MemoryNetwork>(clock_, machine_, options);
    run([&]() -> Task<void> { return begin(*network_); });
  }
  void run(std::function<Task<void>()> work) override { run_task(context_, work()); }
  void occupy(int port) override { machine_->foreign_ports.insert({port, model::Protocol::tcp}); }
  std::string slot_name(int number) const override {
    char name[32];
    std::snprintf(name, sizeof name, "sbx0-%08x", static_cast<unsigned>(number));
    return name;
  }
  sim::MemoryNetworkMachine& machine() { return *machine_; }

 private:
  static Task<void> begin(sim::MemoryNetwork& network) {
    auto started = co_await network.start();
    started.value();
  }

  boost::asio::io_context context_;
  aio::SystemClock clock_;
  std::shared_ptr<sim::MemoryNetworkMachine> machine_ = std::make_shared<sim::MemoryNetworkMachine>();
  std::unique_ptr<sim::MemoryNetwork> network_;
};

INSTANTIATE_TEST_SUITE_P(Memory, NetworkContract,
                         ::testing::Values(HarnessFactory([] { return std::make_unique<MemoryHarness>(); })));

TEST(MemoryNetwork, FailsWhenPlannedAndLeavesNothing) {
  boost::asio::io_context context;
  aio::SystemClock clock;
  auto machine = std::make_shared<sim::MemoryNetworkMachine>();
  sim::MemoryNetworkOptions options;
  options.make_latency = options.destroy_latency = options.rule_latency = Duration(0);
  sim::MemoryNetwork network(clock, machine, options);
  network.fail("make_slot", 2, Error(ErrorCode::network_failed, "planned"));
  EXPECT_TRUE(run_task(context, network.make_slot("sbx0-00000001")));
  const auto refused = run_task(context, network.make_slot("sbx0-00000002"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "planned");
  EXPECT_EQ(machine->slots.size(), 1u);
  EXPECT_TRUE(run_task(context, network.make_slot("sbx0-00000002")));
}

TEST(MemoryNetwork, ForwardsLoopbackOnlyInTheProcessThatPublished) {
  boost::asio::io_context context;
  aio::SystemClock clock;
  auto machine = std::make_shared<sim::MemoryNetworkMachine>();
  sim::MemoryNetworkOptions options;
  options.make_latency = options.destroy_latency = options.rule_latency = Duration(0);
  sim::MemoryNetwork first(clock, machine, options);
  const auto slot = run_task(context, first.make_slot("sbx0-00000001")).value();
  const model::PublishedPort port{18080, 80, model::Protocol::tcp};
  run_task(context, first.publish(slot, {port})).value();
  EXPECT_TRUE(first.forwards(18080, model::Protocol::tcp));
  sim::MemoryNetwork second(clock, machine, options);
  EXPECT_FALSE(second.forwards(18080, model::Protocol::tcp));
  EXPECT_TRUE(machine->is_open(slot.name, port));
}

TEST(MemoryNetwork, TheMachineNamesWhatIsWrong) {
  sim::MemoryNetworkMachine machine;
  machine.slots["sbx0-00000001"].ip = "10.89.0.2";
  machine.slots["sbx0-00000002"].ip = "10.89.0.2";
  machine.slots["sbx0-00000002"].ports.push_back(model::PublishedPort{18080, 80, model::Protocol::tcp});
  machine.owners[{18081, model::Protocol::tcp}] = "gone";
  machine.owners[{18082, model::Protocol::tcp}] = "gone";
  EXPECT_EQ(machine.violations().size(), 4u);
}

}  // namespace
}  // namespace sandboxd::test
