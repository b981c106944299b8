#include "contract/output/output_contract.hpp"
#include "support/private_log_holder.hpp"

namespace sandboxd::test {
namespace {

class HolderHarness final : public OutputHarness, private PrivateLogHolder {
 public:
  HolderHarness() : PrivateLogHolder(LOG_HOLDER) {}

  ports::OutputCollector& output() override { return *client_; }
  void end_agent() override { disconnect(); }
  void start_agent() override { connect(); }
  void run(std::function<Task<void>()> work) override { run_task(context_, work()); }
  void print(const SandboxId&, const std::string&, const ports::OutputPipes& pipes, const std::string& line,
             bool to_stderr) override {
    write_all(to_stderr ? pipes.stderr_fifo : pipes.stdout_fifo, line + "\n");
  }
};

INSTANTIATE_TEST_SUITE_P(LogHolder, OutputContract,
                         ::testing::Values(OutputFactory([] { return std::make_unique<HolderHarness>(); })));

}  // namespace
}  // namespace sandboxd::test
