// What Agent is made of: its state and its parts. Between agent.cpp (which begins and ends things) and agent_calls.cpp
// (which hands calls to the parts). Core thread.
#pragma once

#include "node/agent.hpp"
#include "node/agent_core.hpp"
#include "node/caretaker.hpp"
#include "node/commands.hpp"
#include "node/image_collector.hpp"
#include "node/images.hpp"
#include "node/life_cycle.hpp"
#include "node/provisioner.hpp"
#include "node/remover.hpp"
#include "node/usage_reader.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sandboxd::node {

class Agent::Impl {
 public:
  Impl(boost::asio::any_io_executor executor, AgentPorts ports, AgentOptions options)
      : core_(std::move(executor), ports, std::move(options)),
        remover_(core_),
        provisioner_(core_, remover_),
        life_(core_, provisioner_, remover_),
        caretaker_(core_, provisioner_, remover_, life_),
        image_collector_(core_),
        commands_(core_),
        images_(core_),
        usage_(core_) {}

  Task<Result<void>> start();
  Task<void> stop();
  Task<Result<model::NodeSandbox>> create(model::NodeCreateRequest request);
  Task<Result<void>> remove(SandboxId id, std::string uid, Until until);
  Task<Result<std::vector<std::string>>> log(SandboxId id, std::string container);
  Result<std::unique_ptr<ports::OutputReader>> follow_log(const SandboxId& id, const std::string& container);
  Result<std::unique_ptr<ports::NodeWatch>> subscribe();
  [[nodiscard]] std::optional<Error> degraded() const;
  [[nodiscard]] EntryPtr find(const SandboxId& id) const;
  [[nodiscard]] Result<EntryPtr> find_life(const SandboxId& id, const LifeAsk& ask) const;
  Task<Result<void>> follow_wish(EntryPtr entry, LifeAsk ask, Task<Result<void>> work);
  Task<Result<model::NodeSandbox>> lead_to(model::Phase goal, SandboxId id, LifeAsk ask);

  AgentCore core_;
  Remover remover_;
  Provisioner provisioner_;
  LifeCycle life_;
  Caretaker caretaker_;
  ImageCollector image_collector_;
  Commands commands_;
  Images images_;
  UsageReader usage_;

 private:
  void take_records(ports::NodeStoreContents& contents);
  Result<void> check_request(const model::NodeCreateRequest& request) const;
  Task<Result<std::optional<model::NodeSandbox>>> settle_with_existing(SandboxId id, std::string uid);
  Task<Result<void>> accept(EntryPtr entry);
  Task<Result<void>> remove_unknown(SandboxId id, std::string uid);
  Task<void> report_regularly();
  SandboxId draw_id();
};

}  // namespace sandboxd::node
