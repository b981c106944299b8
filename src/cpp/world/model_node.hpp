// A node as the control plane meets it: admits, provisions in its own time, reports on streams, dies and comes back.
//
// The machine (records, tombstones) survives a crash of the agent; streams and work in hand do not. Behaves as the node
// API demands: idempotent for one uid, and a removed life never comes back.
#pragma once

#include "aio/notifier.hpp"
#include "aio/task_group.hpp"
#include "base/random.hpp"
#include "model/node_sandbox.hpp"
#include "ports/clock.hpp"
#include "sim/sim_transport.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sandboxd::world {

struct ModelNodeOptions {
  std::int64_t cpu_milli = 4000;
  std::int64_t memory_bytes = std::int64_t{8} << 30;
  std::uint64_t fail_permille = 20;  // creates that end in an error
  Duration report_interval = std::chrono::seconds(5);
};

class ModelNode final : public sim::SimNodeServer {
 public:
  ModelNode(boost::asio::any_io_executor executor, ports::Clock& clock, std::uint64_t seed, ModelNodeOptions options);

  // The agent starts, on the machine as it is; or dies, with everything that it had in hand.
  void start();
  void crash();
  [[nodiscard]] bool is_up() const { return up_; }
  void cancel() { work_->cancel(); }
  [[nodiscard]] Task<void> join() { return work_->join(); }

  [[nodiscard]] Task<Result<void>> create(model::NodeCreateRequest request) override;
  [[nodiscard]] Task<Result<void>> remove(SandboxId id, std::string uid) override;
  // With `order` 0: asked of the node itself.
  [[nodiscard]] Task<Result<void>> change_life(SandboxId id, std::string uid, ports::LifeVerb verb,
                                               std::int64_t order) override;
  [[nodiscard]] Result<std::unique_ptr<ports::NodeWatch>> subscribe() override;
  // Its health and its status; nothing else.
  [[nodiscard]] Task<Result<ports::NodeAnswer>> call(ports::NodeCall call) override;

  // The machine. Tests plant faults here.
  std::map<SandboxId, model::NodeSandbox> machine;
  // One running container dies by itself; false when none does.
  bool kill_one();
  [[nodiscard]] std::string boot_id() const { return "boot-" + std::to_string(life_); }
  // Host ports of other programs: found out when a create comes, or only when the port is opened.
  std::set<int> foreign_ports;
  std::set<int> ports_taken_late;
  // The first port of so many further creates joins one of them.
  int next_foreign_ports = 0;
  int next_ports_taken_late = 0;

 private:
  struct Subscriber;
  class Watch;

  [[nodiscard]] Task<void> provision(SandboxId id, std::string uid, std::uint64_t life);
  [[nodiscard]] Task<void> finish_stop(SandboxId id, std::string uid, std::uint64_t life);
  [[nodiscard]] Result<void> start_again(model::NodeSandbox& sandbox);
  [[nodiscard]] Result<void> change(model::NodeSandbox& sandbox, ports::LifeVerb verb);
  [[nodiscard]] Task<void> finish_removal(SandboxId id, std::string uid, std::uint64_t life);
  [[nodiscard]] Task<void> report_regularly(std::uint64_t life);
  [[nodiscard]] Result<void> admit(const model::NodeCreateRequest& request) const;
  [[nodiscard]] model::NodeReport report() const;
  [[nodiscard]] Duration between(Duration low, Duration high);
  void publish(const ports::NodeEvent& event);

  boost::asio::any_io_executor executor_;
  ports::Clock& clock_;
  Random random_;
  ModelNodeOptions options_;
  std::set<std::pair<SandboxId, std::string>> tombstones_;
  std::vector<std::shared_ptr<Subscriber>> subscribers_;
  bool up_ = false;
  std::uint64_t life_ = 0;
  std::unique_ptr<aio::TaskGroup> work_;
};

}  // namespace sandboxd::world
