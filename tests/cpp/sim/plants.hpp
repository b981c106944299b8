// Adapters that corrupt a run, each in one way that the system must never do by itself. They stand between the
// production engine and the simulated store or network; the checkers must notice.
#pragma once

#include "ports/node_transport.hpp"
#include "ports/store.hpp"
#include "world/world.hpp"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

namespace sandboxd::world {

// Corrupts what the store is given, or gives back. Outlives the lives of the control plane.
struct StorePlant {
  std::function<bool(ports::StoreTransaction&)> on_apply;  // false: success is told, but nothing is stored
  std::function<void(ports::StoreContents&)> on_load;
};

class PlantedStore final : public ports::Store {
 public:
  PlantedStore(std::unique_ptr<ports::Store> inner, std::shared_ptr<StorePlant> plant)
      : inner_(std::move(inner)), plant_(std::move(plant)) {}

  Task<Result<ports::StoreContents>> load() override {
    auto contents = co_await inner_->load();
    if (contents && plant_->on_load) plant_->on_load(*contents);
    co_return contents;
  }
  Task<Result<void>> apply(ports::StoreTransaction transaction) override {
    if (plant_->on_apply && !plant_->on_apply(transaction)) co_return Result<void>();
    auto applied = co_await inner_->apply(std::move(transaction));
    co_return applied;
  }

 private:
  std::unique_ptr<ports::Store> inner_;
  std::shared_ptr<StorePlant> plant_;
};

inline std::shared_ptr<StorePlant> plant_store(WorldOptions& options) {
  auto plant = std::make_shared<StorePlant>();
  options.wrap_store = [plant](std::unique_ptr<ports::Store> inner) -> std::unique_ptr<ports::Store> {
    return std::make_unique<PlantedStore>(std::move(inner), plant);
  };
  return plant;
}

// Corrupts what nodes are told, or tell.
struct TransportPlant {
  std::function<void(model::NodeAddress&, model::NodeCreateRequest&)> on_create;
  std::function<bool(model::NodeAddress)> doubles_to;  // a create also goes to this address, when it says so
  model::NodeAddress other;
  std::function<bool()> swallows_remove;  // told as done
  std::function<void(const model::NodeAddress&, model::NodeReport&)> on_report;
};

class PlantedWatch final : public ports::NodeWatch {
 public:
  PlantedWatch(std::unique_ptr<ports::NodeWatch> inner, model::NodeAddress node, std::shared_ptr<TransportPlant> plant)
      : inner_(std::move(inner)), node_(std::move(node)), plant_(std::move(plant)) {}

  Task<Result<ports::NodeEvent>> next() override {
    auto event = co_await inner_->next();
    auto* report = event ? std::get_if<model::NodeReport>(&*event) : nullptr;
    if (report != nullptr && plant_->on_report) plant_->on_report(node_, *report);
    co_return event;
  }

 private:
  std::unique_ptr<ports::NodeWatch> inner_;
  model::NodeAddress node_;
  std::shared_ptr<TransportPlant> plant_;
};

class PlantedTransport final : public ports::NodeTransport {
 public:
  PlantedTransport(ports::NodeTransport& inner, std::shared_ptr<TransportPlant> plant)
      : inner_(inner), plant_(std::move(plant)) {}

  Task<Result<void>> create_sandbox(model::NodeAddress node, model::NodeCreateRequest request) override {
    if (plant_->on_create) plant_->on_create(node, request);
    if (plant_->doubles_to && plant_->doubles_to(node)) {
      const auto second = co_await inner_.create_sandbox(plant_->other, request);
      static_cast<void>(second);
    }
    auto created = co_await inner_.create_sandbox(std::move(node), std::move(request));
    co_return created;
  }
  Task<Result<void>> remove_sandbox(model::NodeAddress node, SandboxId id, std::string uid) override {
    if (plant_->swallows_remove && plant_->swallows_remove()) co_return Result<void>();
    auto removed = co_await inner_.remove_sandbox(std::move(node), std::move(id), std::move(uid));
    co_return removed;
  }
  Task<Result<void>> change_life(model::NodeAddress node, SandboxId id, std::string uid, ports::LifeVerb verb,
                                 std::int64_t order) override {
    return inner_.change_life(std::move(node), std::move(id), std::move(uid), verb, order);
  }
  Task<Result<std::unique_ptr<ports::NodeWatch>>> watch(model::NodeAddress node) override {
    auto opened = co_await inner_.watch(node);
    if (!opened) co_return opened;
    std::unique_ptr<ports::NodeWatch> out = std::make_unique<PlantedWatch>(*std::move(opened), node, plant_);
    co_return out;
  }
  Task<Result<std::unique_ptr<ports::NodeStream>>> stream(model::NodeAddress node, ports::NodeCall call) override {
    return inner_.stream(std::move(node), std::move(call));
  }
  Task<Result<ports::NodeAnswer>> call(model::NodeAddress node, ports::NodeCall call) override {
    return inner_.call(std::move(node), std::move(call));
  }
  Task<Result<void>> probe(model::NodeAddress node) override { return inner_.probe(std::move(node)); }
  Task<Result<model::NodeResources>> resources(model::NodeAddress node) override {
    return inner_.resources(std::move(node));
  }
  Task<Result<ports::SandboxStatuses>> statuses(model::NodeAddress node, std::vector<SandboxId> ids) override {
    return inner_.statuses(std::move(node), std::move(ids));
  }
  Task<Result<std::optional<model::NodeSandboxStatus>>> find_sandbox(model::NodeAddress node, SandboxId id) override {
    return inner_.find_sandbox(std::move(node), std::move(id));
  }
  Task<Result<ports::SandboxPage>> list_sandboxes(model::NodeAddress node, std::string cursor) override {
    return inner_.list_sandboxes(std::move(node), std::move(cursor));
  }
  Task<Result<void>> reconcile(model::NodeAddress node) override { return inner_.reconcile(std::move(node)); }

 private:
  ports::NodeTransport& inner_;
  std::shared_ptr<TransportPlant> plant_;
};

inline std::shared_ptr<TransportPlant> plant_transport(WorldOptions& options) {
  auto plant = std::make_shared<TransportPlant>();
  options.wrap_transport = [plant](ports::NodeTransport& inner) -> std::unique_ptr<ports::NodeTransport> {
    return std::make_unique<PlantedTransport>(inner, plant);
  };
  return plant;
}

}  // namespace sandboxd::world
