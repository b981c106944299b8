// One simulated node: machine, disk and clock live on while agents come and go.
#pragma once

#include "node/agent.hpp"
#include "sim/memory_commands.hpp"
#include "sim/memory_exec.hpp"
#include "sim/memory_gauge.hpp"
#include "sim/memory_guest.hpp"
#include "sim/memory_library.hpp"
#include "sim/memory_meter.hpp"
#include "sim/memory_network.hpp"
#include "sim/memory_output.hpp"
#include "sim/memory_prober.hpp"
#include "sim/memory_runtime.hpp"
#include "sim/sim_clock.hpp"
#include "sim/sim_node_store.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/system_error.hpp>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sandboxd::node {

// Records the steps; from the chosen one on, the agent is as good as dead: no coroutine of it passes another step.
class Failpoint final : public ports::StepObserver {
 public:
  void reached(std::string_view step, const SandboxId&) override {
    if (!dead) steps.emplace_back(step);
    if (step == kill_at) dead = true;
    if (dead) throw boost::system::system_error(boost::asio::error::operation_aborted);
  }
  std::vector<std::string> steps;
  std::string kill_at;
  bool dead = false;
};

inline model::NodeCreateRequest simple_request(const std::string& id, int containers = 1) {
  model::NodeCreateRequest request;
  request.id = SandboxId(id);
  request.uid = std::string(28, 'a') + std::to_string(1000 + id.back()).substr(0, 4);
  // The keys of containers come from the first 16 digits.
  request.uid[0] = static_cast<char>('0' + id.size() % 10);
  request.uid[1] = static_cast<char>('0' + id.back() % 10);
  for (int i = 0; i < containers; ++i) {
    model::Container container;
    container.name = "c" + std::to_string(i);
    container.image = "busybox";
    container.resources.request_cpu_milli = 100;
    container.resources.request_memory_bytes = 64 << 20;
    container.resources.limit_cpu_milli = {100, "100m"};
    container.resources.limit_memory_bytes = {64 << 20, "64Mi"};
    request.spec.containers.push_back(container);
  }
  return request;
}

class NodeFixture : public testing::Test {
 protected:
  NodeFixture() {
    config_.slot_pool_size = 2;
    config_.reconcile_interval = std::chrono::hours(1);
    config_.report_interval = std::chrono::hours(1);
  }
  ~NodeFixture() override {
    if (agent_) stop_agent();
    run_void(runtime_machine_->stop());
  }

  // Runs everything until `done` or until nothing happens any more within `limit`.
  bool run_until(const std::function<bool()>& done, Duration limit = std::chrono::minutes(30)) {
    const MonoTime end = clock_.mono_now() + limit;
    for (;;) {
      context_.restart();
      context_.poll();
      if (done()) return true;
      const auto next = clock_.next_deadline();
      if (!next || *next > end) return false;
      clock_.fire_next();
    }
  }
  template <class T>
  T run(Task<T> task) {
    std::optional<T> result;
    std::exception_ptr failure;
    boost::asio::co_spawn(context_, std::move(task), [&](std::exception_ptr e, T value) {
      failure = e;
      result.emplace(std::move(value));
    });
    run_until([&] { return result.has_value(); });
    if (failure) std::rethrow_exception(failure);
    return std::move(*result);
  }
  void run_void(Task<void> task) {
    bool done = false;
    boost::asio::co_spawn(context_, std::move(task), [&](std::exception_ptr) { done = true; });
    ASSERT_TRUE(run_until([&] { return done; }));
  }
  // Lets `span` pass.
  void pass(Duration span) {
    const MonoTime end = clock_.mono_now() + span;
    run_until([&] { return clock_.mono_now() >= end; }, span);
  }

  void start_agent() {
    auto opened = sim::SimNodeStore::open(disk_, clock_);
    ASSERT_TRUE(opened) << opened.error().message();
    store_ = *std::move(opened);
    runtime_ = std::make_unique<sim::MemoryRuntime>(runtime_machine_);
    network_ = std::make_unique<sim::MemoryNetwork>(clock_, network_machine_, sim::MemoryNetworkOptions{});
    output_ = std::make_unique<sim::MemoryOutput>(output_machine_);
    AgentOptions options;
    options.config = config_;
    options.host = {4, std::int64_t{4} << 30};
    options.seed = ++seed_;
    AgentPorts ports{clock_, store(), *runtime_, *network_, *output_, prober_, nullptr, &steps_, &gauge_};
    ports.images = &library_;
    ports.usage = &meter_;
    if (guest_machine_) {
      guests_ = std::make_unique<sim::MemoryGuests>(guest_machine_);
      commands_ = std::make_unique<sim::MemoryCommands>(command_rows_);
      ports.guests = guests_.get();
      ports.commands = commands_.get();
    }
    if (has_exec_) {
      commands_ = std::make_unique<sim::MemoryCommands>(command_rows_);
      ports.exec = &exec_;
      ports.commands = commands_.get();
    }
    agent_ = std::make_unique<Agent>(context_.get_executor(), ports, options);
    const auto started = run(agent_->start());
    ASSERT_TRUE(started) << started.error().message();
  }
  virtual ports::NodeStore& store() { return *store_; }
  void stop_agent() {
    run_void(agent_->stop());
    agent_.reset();
    store_.reset();
  }
  void restart_agent() {
    stop_agent();
    steps_ = {};
    start_agent();
  }

  model::Phase phase(const std::string& id) {
    const auto sandbox = agent_->get(SandboxId(id));
    return sandbox ? sandbox->phase : model::Phase::pending;  // pending: unknown here
  }
  bool settle(const std::string& id) {
    return run_until([&] {
      const auto now = phase(id);
      return now != model::Phase::creating && now != model::Phase::deleting;
    });
  }
  // Nothing on the machine but the pool's free slots.
  void expect_clean_machine() {
    pass(std::chrono::minutes(1));
    EXPECT_TRUE(runtime_machine_->containers.empty());
    EXPECT_TRUE(network_machine_->owners.empty());
    EXPECT_TRUE(output_machine_->logs.empty());
    EXPECT_LE(network_machine_->slots.size(), static_cast<std::size_t>(config_.slot_pool_size));
    EXPECT_EQ(agent_->report().resources.used_cpu_milli, 0);
    for (const std::string& violation : network_machine_->violations()) ADD_FAILURE() << violation;
  }

  boost::asio::io_context context_;
  sim::SimClock clock_{context_.get_executor()};
  std::shared_ptr<sim::NodeStoreDisk> disk_ = std::make_shared<sim::NodeStoreDisk>();
  std::shared_ptr<sim::MemoryRuntimeMachine> runtime_machine_ =
      std::make_shared<sim::MemoryRuntimeMachine>(context_.get_executor(), clock_, sim::MemoryRuntimeOptions{});
  std::shared_ptr<sim::MemoryNetworkMachine> network_machine_ = std::make_shared<sim::MemoryNetworkMachine>();
  std::shared_ptr<sim::MemoryOutputMachine> output_machine_ = std::make_shared<sim::MemoryOutputMachine>();
  std::shared_ptr<sim::GuestMachine> guest_machine_;  // set before start_agent(): with in-sandbox agents
  std::shared_ptr<sim::MemoryCommands::Rows> command_rows_ = std::make_shared<sim::MemoryCommands::Rows>();
  bool has_exec_ = false;  // set before start_agent(): commands through the runtime, and no in-sandbox agents
  sim::MemoryExec exec_{context_.get_executor()};
  sim::MemoryProber prober_{clock_};
  Failpoint steps_;
  sim::MemoryGauge gauge_;
  sim::MemoryLibrary library_{runtime_machine_};
  sim::MemoryMeter meter_;
  NodeConfig config_;
  std::uint64_t seed_ = 0;
  std::unique_ptr<sim::SimNodeStore> store_;
  std::unique_ptr<sim::MemoryRuntime> runtime_;
  std::unique_ptr<sim::MemoryNetwork> network_;
  std::unique_ptr<sim::MemoryOutput> output_;
  std::unique_ptr<sim::MemoryGuests> guests_;
  std::unique_ptr<sim::MemoryCommands> commands_;
  std::unique_ptr<Agent> agent_;
};

}  // namespace sandboxd::node
