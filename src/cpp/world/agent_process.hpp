// One life of a node agent's process: the production agent, and the adapters that live and die with it.
//
// Requests are tasks of the process, so that its death ends them; who called hears that the connection was reset.
#pragma once

#include "aio/notifier.hpp"
#include "aio/task_group.hpp"
#include "node/agent.hpp"
#include "sim/memory_network.hpp"
#include "sim/memory_output.hpp"
#include "sim/memory_prober.hpp"
#include "sim/memory_runtime.hpp"
#include "sim/sim_node_store.hpp"
#include "sim/sim_transport.hpp"
#include "world/process_clock.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>
#include <optional>

namespace sandboxd::world {

// What stays on a machine when the agent dies.
struct Hardware {
  std::shared_ptr<sim::MemoryRuntimeMachine> runtime;
  std::shared_ptr<sim::MemoryNetworkMachine> network = std::make_shared<sim::MemoryNetworkMachine>();
  std::shared_ptr<sim::MemoryOutputMachine> output = std::make_shared<sim::MemoryOutputMachine>();
  std::shared_ptr<sim::NodeStoreDisk> disk = std::make_shared<sim::NodeStoreDisk>();
};

class AgentProcess final : public sim::SimNodeServer, public std::enable_shared_from_this<AgentProcess> {
 public:
  // `steps` outlives the process.
  AgentProcess(boost::asio::any_io_executor executor, sim::SimClock& clock, const Hardware& hardware,
               std::unique_ptr<sim::SimNodeStore> store, ports::StepObserver& steps, node::AgentOptions options);
  // After the end of bury().
  ~AgentProcess() override;

  // `failed` hears of an agent that does not start.
  void start(std::function<void(const Error&)> failed);
  // From now on nothing of it has an effect, but for what the container runtime was already told.
  void kill();
  // After kill(): until nothing of it is left.
  [[nodiscard]] static Task<void> bury(std::shared_ptr<AgentProcess> process);

  [[nodiscard]] Task<Result<void>> create(model::NodeCreateRequest request) override;
  [[nodiscard]] Task<Result<void>> remove(SandboxId id, std::string uid) override;
  [[nodiscard]] Task<Result<void>> change_life(SandboxId id, std::string uid, ports::LifeVerb verb,
                                               std::int64_t order) override;
  [[nodiscard]] Result<std::unique_ptr<ports::NodeWatch>> subscribe() override;

  // All that the agent believes, by id.
  [[nodiscard]] std::vector<model::NodeSandbox> believed() const;
  [[nodiscard]] std::string boot_id() const { return agent_.report().boot_id; }
  [[nodiscard]] sim::MemoryNetwork& network() { return network_; }

 private:
  struct Reply;
  using Request = std::function<Task<Result<void>>(node::Agent&)>;

  [[nodiscard]] Task<Result<void>> serve(Request request);
  [[nodiscard]] static Task<void> answer(std::shared_ptr<AgentProcess> self, Request request,
                                         std::shared_ptr<Reply> reply);
  [[nodiscard]] Task<void> begin(std::function<void(const Error&)> failed);

  boost::asio::any_io_executor executor_;
  ProcessClock clock_;
  std::unique_ptr<sim::SimNodeStore> store_;
  sim::MemoryRuntime runtime_;
  sim::MemoryNetwork network_;
  sim::MemoryOutput output_;
  sim::MemoryProber prober_;
  node::Agent agent_;
  aio::TaskGroup calls_;
  bool dead_ = false;
};

}  // namespace sandboxd::world
