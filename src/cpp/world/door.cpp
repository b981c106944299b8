#include "world/door.hpp"

namespace sandboxd::world {
namespace {

class Door final : public sim::SimNodeServer {
 public:
  Door(Cluster& cluster, NodeId node, std::shared_ptr<sim::SimNodeServer> server)
      : cluster_(cluster), node_(std::move(node)), server_(std::move(server)) {}

  Task<Result<void>> create(model::NodeCreateRequest request) override {
    const auto& durable = cluster_.disk->durable().sandboxes;
    const auto found = durable.find(request.id);
    cluster_.live.arrive(node_, request.id, request.uid, found != durable.end() && found->second.uid == request.uid);
    return server_->create(std::move(request));
  }
  Task<Result<void>> remove(SandboxId id, std::string uid) override {
    return server_->remove(std::move(id), std::move(uid));
  }
  Task<Result<void>> change_life(SandboxId id, std::string uid, ports::LifeVerb verb, std::int64_t order) override {
    return server_->change_life(std::move(id), std::move(uid), verb, order);
  }
  Result<std::unique_ptr<ports::NodeWatch>> subscribe() override { return server_->subscribe(); }

 private:
  Cluster& cluster_;
  NodeId node_;
  std::shared_ptr<sim::SimNodeServer> server_;
};

}  // namespace

std::shared_ptr<sim::SimNodeServer> guard(Cluster& cluster, NodeId node, std::shared_ptr<sim::SimNodeServer> server) {
  return std::make_shared<Door>(cluster, std::move(node), std::move(server));
}

}  // namespace sandboxd::world
