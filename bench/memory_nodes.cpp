// Many nodes in one process: the production node agent and its HTTP API, on the simulated runtime, network and disk.
//
//   bench_memory_nodes COUNT CPUS MEMORY_BYTES
//
// Each node claims CPUS and MEMORY_BYTES and listens on a port of its own on 127.0.0.1. Prints "ready PORT..." and
// stops at the end of standard input. The simulated machine takes no time of its own: what is measured is our code.
#include "aio/io_runtime.hpp"
#include "aio/system_clock.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "http/server.hpp"
#include "node/agent.hpp"
#include "node/api/sbxlet_routes.hpp"
#include "sim/memory_network.hpp"
#include "sim/memory_output.hpp"
#include "sim/memory_prober.hpp"
#include "sim/memory_runtime.hpp"
#include "sim/sim_node_store.hpp"

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <malloc.h>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace sandboxd;

sim::MemoryRuntimeOptions instant_runtime() {
  sim::MemoryRuntimeOptions options;
  options.pull_latency = options.create_latency = options.start_latency = options.remove_latency =
      options.call_latency = Duration::zero();
  return options;
}

sim::MemoryNetworkOptions instant_network() {
  sim::MemoryNetworkOptions options;
  options.addresses = 65533;
  options.make_latency = options.destroy_latency = options.rule_latency = Duration::zero();
  return options;
}

class Node {
 public:
  Node(boost::asio::any_io_executor executor, aio::SystemClock& clock, ports::HostFacts host)
      : executor_(executor),
        machine_(std::make_shared<sim::MemoryRuntimeMachine>(executor, clock, instant_runtime())),
        store_(*sim::SimNodeStore::open(std::make_shared<sim::NodeStoreDisk>(), clock)),
        runtime_(machine_),
        network_(clock, std::make_shared<sim::MemoryNetworkMachine>(), instant_network()),
        output_(std::make_shared<sim::MemoryOutputMachine>()),
        prober_(clock),
        agent_(executor, node::AgentPorts{clock, *store_, runtime_, network_, output_, prober_}, options_of(host)) {}

  Task<Result<void>> start() {
    SBX_CO_CHECK(co_await agent_.start());
    http::Router router;
    SBX_CO_CHECK(node::add_sbxlet_routes(router, agent_, {}));
    http::ServerOptions options;
    options.log_name = "node.http";
    server_ = std::make_unique<http::Server>(executor_, std::move(router), std::move(options));
    co_return server_->start();
  }

  Task<void> stop() {
    if (server_) co_await server_->stop(Duration::zero());
    co_await agent_.stop();
    co_await machine_->stop();
  }

  [[nodiscard]] int port() const { return server_->port(); }

 private:
  static node::AgentOptions options_of(ports::HostFacts host) {
    node::AgentOptions options;
    options.config.max_alloc_percent = 100;
    options.host = host;
    options.seed = seed_from_system();
    return options;
  }

  boost::asio::any_io_executor executor_;
  std::shared_ptr<sim::MemoryRuntimeMachine> machine_;
  std::unique_ptr<sim::SimNodeStore> store_;
  sim::MemoryRuntime runtime_;
  sim::MemoryNetwork network_;
  sim::MemoryOutput output_;
  sim::MemoryProber prober_;
  node::Agent agent_;
  std::unique_ptr<http::Server> server_;
};

using Nodes = std::vector<std::unique_ptr<Node>>;

Task<void> start_all(Nodes& nodes, std::string& failure) {
  for (const auto& node : nodes) {
    const auto started = co_await node->start();
    if (!started) failure = started.error().message();
  }
}

Task<void> stop_all(Nodes& nodes) {
  for (const auto& node : nodes) co_await node->stop();
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    std::cerr << "usage: bench_memory_nodes COUNT CPUS MEMORY_BYTES\n";
    return 2;
  }
  // Before the writer runs, lines go to standard error, where nobody reads more than the answer.
  if (const auto writing = start_log_writer("", ""); !writing) {
    std::cerr << "bench_memory_nodes: " << writing.error().message() << '\n';
    return 1;
  }
  const ports::HostFacts host{std::atoll(arguments[2]), std::atoll(arguments[3])};
  // An arena of a thread's own grows by a call of the kernel for every page, and a hundred nodes in one process grow
  // all the time, which no single node does.
  mallopt(M_ARENA_MAX, 1);
  aio::SystemClock clock;
  Nodes nodes;
  aio::IoRuntime runtime("memory-nodes");
  for (int i = 0; i < std::atoi(arguments[1]); ++i) {
    nodes.push_back(std::make_unique<Node>(runtime.context().get_executor(), clock, host));
  }
  runtime.start();
  std::string failure;
  runtime.run(start_all(nodes, failure));
  if (failure.empty()) {
    std::cerr << "ready";
    for (const auto& node : nodes) std::cerr << ' ' << node->port();
    std::cerr << std::endl;
    for (std::string line; std::getline(std::cin, line);) continue;
  } else {
    std::cerr << "bench_memory_nodes: " << failure << '\n';
  }
  runtime.run(stop_all(nodes));
  runtime.stop();
  return failure.empty() ? 0 : 1;
}
