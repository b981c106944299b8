#include "sim/memory_output.hpp"

#include "base/time.hpp"
#include "contract/output/output_contract.hpp"
#include "support/run_task.hpp"

namespace sandboxd::test {
namespace {

class MemoryHarness final : public OutputHarness {
 public:
  MemoryHarness() { start_agent(); }

  ports::OutputCollector& output() override { return *output_; }
  void end_agent() override { output_.reset(); }
  void start_agent() override {
    output_ = std::make_unique<sim::MemoryOutput>(machine_);
    run_task(context_, output_->start()).value();
  }
  void run(std::function<Task<void>()> work) override { run_task(context_, work()); }
  void print(const SandboxId& sandbox, const std::string& container, const ports::OutputPipes&, const std::string& line,
             bool to_stderr) override {
    machine_->print(sandbox, container,
                    format_rfc3339_fixed(WallTime{}) + (to_stderr ? " stderr F " : " stdout F ") + line);
  }

 private:
  boost::asio::io_context context_;
  std::shared_ptr<sim::MemoryOutputMachine> machine_ = std::make_shared<sim::MemoryOutputMachine>();
  std::unique_ptr<sim::MemoryOutput> output_;
};

INSTANTIATE_TEST_SUITE_P(Memory, OutputContract,
                         ::testing::Values(OutputFactory([] { return std::make_unique<MemoryHarness>(); })));

TEST(MemoryOutput, FailsWhenPlannedAndChangesNothing) {
  boost::asio::io_context context;
  auto machine = std::make_shared<sim::MemoryOutputMachine>();
  sim::MemoryOutput output(machine);
  output.fail("open", 2, Error(ErrorCode::unavailable, "planned"));
  EXPECT_TRUE(run_task(context, output.open(SandboxId("box"), "web")));
  EXPECT_EQ(run_task(context, output.open(SandboxId("box"), "db")).error().message(), "planned");
  EXPECT_EQ(machine->logs.size(), 1U);
  EXPECT_TRUE(run_task(context, output.open(SandboxId("box"), "db")));
}

}  // namespace
}  // namespace sandboxd::test
