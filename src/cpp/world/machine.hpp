// A simulated machine: a container runtime, a network, a disk, and the production node agent as a process on them.
//
// The hardware outlives the agent. A crash of the agent is a kill: its work stops where it is, containers go on, what
// it had written stays. A start makes a new agent, which has to converge. One thread.
#pragma once

#include "aio/task_group.hpp"
#include "base/random.hpp"
#include "model/node_sandbox.hpp"
#include "world/agent_process.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::world {

struct MachineOptions {
  std::int64_t cpu_milli = 4000;
  std::int64_t memory_bytes = std::int64_t{8} << 30;
  std::int64_t slot_pool_size = 3;
};

class Machine final : private ports::StepObserver {
 public:
  // `clock` must outlive this.
  Machine(boost::asio::any_io_executor executor, sim::SimClock& clock, std::uint64_t seed, MachineOptions options);

  // What goes wrong in a way that no fault explains, and every step of the agent. Set before start().
  std::function<void(const Error&)> on_error;
  std::function<void(std::string_view step, const SandboxId&)> on_step;

  void start();
  void crash();
  // Crashes at the `count`th step of the agent from now; `then` is called when it is down.
  void crash_at_step(std::uint64_t count, std::function<void()> then);
  [[nodiscard]] bool is_up() const { return process_ != nullptr; }
  [[nodiscard]] std::shared_ptr<sim::SimNodeServer> server() const { return process_; }
  // After crash(): until nothing of all its lives is left, and no container goes on.
  [[nodiscard]] Task<void> stop();

  [[nodiscard]] const MachineOptions& options() const { return options_; }
  [[nodiscard]] const Hardware& hardware() const { return hardware_; }
  // What is written on its disk.
  [[nodiscard]] std::vector<model::NodeSandbox> records() const;
  // What the agent believes; nothing while it is down.
  [[nodiscard]] std::vector<model::NodeSandbox> believed() const;
  [[nodiscard]] std::string boot_id() const;  // of the agent; empty while it is down

  // Trouble, picked by `random`. False: there was nothing to break.
  bool end_container(bool out_of_memory, Random& random);
  void fail_runtime(Random& random);
  bool fail_network(Random& random);
  // Runtime and disk work again, and no crash is planned any more.
  void heal();
  // A stranger makes a sandbox on the node, past the control plane.
  void create_directly(model::NodeCreateRequest request);
  // A running sandbox is gone without a trace or a word. False when none runs.
  bool lose_sandbox();

 private:
  void reached(std::string_view step, const SandboxId& sandbox) override;
  [[nodiscard]] static Task<void> create_quietly(std::shared_ptr<AgentProcess> process,
                                                 model::NodeCreateRequest request);

  boost::asio::any_io_executor executor_;
  sim::SimClock& clock_;
  Random random_;
  MachineOptions options_;
  Hardware hardware_;
  std::shared_ptr<AgentProcess> process_;
  std::uint64_t lives_ = 0;
  std::uint64_t steps_left_ = 0;  // to the planned crash; 0: none is planned
  std::function<void()> after_crash_;
  aio::TaskGroup ends_;  // of killed processes
};

}  // namespace sandboxd::world
