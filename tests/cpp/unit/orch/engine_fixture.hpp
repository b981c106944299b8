// A control plane on a simulated store, network and clock.
#pragma once

#include "orch/engine.hpp"
#include "orch/service.hpp"
#include "sim/sim_clock.hpp"
#include "sim/sim_store.hpp"
#include "sim/sim_transport.hpp"
#include "world/model_node.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

namespace sandboxd::orch {

class EngineFixture : public testing::Test {
 protected:
  ~EngineFixture() override {
    stop();
    transport_.cancel();
    run(transport_.join());
  }

  void start() {
    store_ = *sim::SimStore::open(disk_, clock_);
    engine_ = std::make_unique<Engine>(context_.get_executor(), *store_, transport_, clock_, config_, ++lives_);
    service_ = std::make_unique<SandboxService>(*engine_, transport_, clock_);
    ASSERT_TRUE(run(engine_->start()));
  }
  void stop() {
    if (engine_) run(engine_->stop());
    service_.reset();
    engine_.reset();
    store_.reset();
  }
  // As the upsert returned it.
  NodeRef register_node(const std::string& id, int port, std::shared_ptr<sim::SimNodeServer> server) {
    transport_.attach(port, std::move(server));
    UpsertNode request;
    request.id = NodeId(id);
    request.address = {"10.0.0.1", port};
    const auto node = run(service_->upsert_node(request, std::chrono::seconds(3)));
    EXPECT_TRUE(node);
    return node ? *node : nullptr;
  }

  template <class T>
  T run(Task<T> task) {
    std::optional<T> out;
    boost::asio::co_spawn(context_, std::move(task), [&](std::exception_ptr, T value) { out = std::move(value); });
    for (int n = 0; n < 1000000 && !out; ++n) step();
    return std::move(out).value();
  }
  void run(Task<void> task) {
    bool done = false;
    boost::asio::co_spawn(context_, std::move(task), [&](std::exception_ptr) { done = true; });
    for (int n = 0; n < 1000000 && !done; ++n) step();
    EXPECT_TRUE(done);
  }
  void step() {
    context_.restart();
    if (context_.poll() == 0) clock_.fire_next();
  }
  void run_for(Duration duration) { run(clock_.sleep_for(duration)); }
  // How long it took, or `limit` when it did not come.
  template <class Condition>
  Duration time_until(Condition is_so, Duration limit) {
    const MonoTime begun = clock_.mono_now();
    while (!is_so() && clock_.mono_now() - begun < limit) run_for(std::chrono::milliseconds(10));
    return clock_.mono_now() - begun;
  }

  static CreateSandbox sandbox(const std::string& id, std::int64_t cpu = 100) {
    CreateSandbox out;
    out.id = SandboxId(id);
    model::Container container;
    container.name = "app";
    container.image = "local/app:1";
    container.resources.request_cpu_milli = cpu;
    out.spec.containers.push_back(container);
    out.spec.ports.resize(1);
    out.spec.ports[0].container_port = 80;
    return out;
  }
  SandboxRef get(const std::string& id) {
    const auto found = run(service_->get(SandboxId(id)));
    return found ? *found : nullptr;
  }
  model::Phase phase(const std::string& id) {
    const SandboxRef found = get(id);
    return found ? found->phase : model::Phase::deleting;
  }
  NodeRef node(const std::string& id) {
    const auto found = run(service_->get_node(NodeId(id)));
    return found ? *found : nullptr;
  }

  boost::asio::io_context context_;
  sim::SimClock clock_{context_.get_executor()};
  sim::SimTransport transport_{context_.get_executor(), clock_, 1};
  std::shared_ptr<sim::StoreDisk> disk_ = std::make_shared<sim::StoreDisk>();
  OrchConfig config_;
  std::uint64_t lives_ = 0;
  std::unique_ptr<sim::SimStore> store_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<SandboxService> service_;
};

}  // namespace sandboxd::orch
