// The control plane's core on a database with many sandboxes: how soon it serves after a start, and how much memory it
// has then. For bench/fleet.py.
//
//   control_plane_state fill <database> <nodes> <sandboxes>   writes them, spread over the nodes, Running
//   control_plane_state start <database>                      prints JSON: milliseconds, sandboxes, bytes
//
// The production engine and store; no node answers, so that nothing but the control plane is measured.
#include "aio/io_runtime.hpp"
#include "aio/system_clock.hpp"
#include "base/log.hpp"
#include "orch/engine.hpp"
#include "orch/service.hpp"
#include "sim/sim_transport.hpp"
#include "store/sqlite_store.hpp"

#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <string>

namespace sandboxd {
namespace {

constexpr std::size_t kBatch = 1000;
constexpr const char* kMark = "0123abcd";  // begins every uid

model::Sandbox make_sandbox(std::size_t number, std::size_t nodes) {
  model::Sandbox sandbox;
  sandbox.id = SandboxId("bench-" + std::to_string(number));
  std::string digits = std::to_string(number);
  sandbox.uid = kMark + std::string(24 - digits.size(), '0') + digits;
  sandbox.name = sandbox.id.str();
  sandbox.dialect = "sandboxd_o";
  model::Container container;
  container.name = "main";
  container.image = "registry.example.org/team/application:1.2.3";
  container.command_kind = model::CommandKind::given;
  container.args = {"python", "-m", "http.server", "8000"};
  container.resources.limit_cpu_milli = {250, "250m"};
  container.resources.limit_memory_bytes = {std::int64_t{256} << 20, "256Mi"};
  container.resources.request_cpu_milli = 250;
  container.resources.request_memory_bytes = std::int64_t{256} << 20;
  sandbox.spec.containers.push_back(std::move(container));
  model::PortSpec asked;
  asked.container_port = 8000;
  sandbox.spec.ports.push_back(asked);
  sandbox.phase = model::Phase::running;
  sandbox.node = NodeId("node-" + std::to_string(number % nodes));
  sandbox.ip = "10.89.0." + std::to_string(2 + number / nodes);
  model::PublishedPort port;
  port.host_port = 10000 + static_cast<int>(number / nodes);
  port.container_port = 8000;
  sandbox.ports.push_back(port);
  model::ContainerStatus status;
  status.name = "main";
  status.phase = model::ContainerPhase::running;
  sandbox.containers.push_back(status);
  sandbox.created_at = sandbox.updated_at = WallTime{1'767'225'600'000'000'000};
  return sandbox;
}

model::Node make_node(std::size_t number) {
  model::Node node;
  node.id = NodeId("node-" + std::to_string(number));
  node.address = {"127.0.0.1", static_cast<int>(1 + number)};
  node.labels["zone"] = number % 2 == 0 ? "a" : "b";
  node.state = model::NodeState::ready;
  node.resources.allocatable_cpu_milli = 64'000;
  node.resources.allocatable_memory_bytes = std::int64_t{256} << 30;
  return node;
}

Task<void> fill(store::SqliteStore& store, std::size_t nodes, std::size_t sandboxes, Result<void>& out) {
  ports::StoreTransaction batch;
  batch.instance = kMark;
  for (std::size_t n = 0; n < nodes + sandboxes && out; ++n) {
    ++batch.revision;
    if (n < nodes) {
      batch.changes.emplace_back(ports::PutNode{make_node(n)});
    } else {
      batch.changes.emplace_back(ports::PutSandbox{make_sandbox(n - nodes, nodes)});
    }
    if (batch.changes.size() < kBatch && n + 1 < nodes + sandboxes) continue;
    const std::int64_t revision = batch.revision;
    auto applied = co_await store.apply(std::exchange(batch, {}));
    out = std::move(applied);
    batch.revision = revision;
  }
}

Task<void> start(orch::Engine& engine, orch::SandboxService& service, Result<orch::SandboxList>& out) {
  auto started = co_await engine.start();
  if (!started) {
    out = started.error();
    co_return;
  }
  auto list = co_await service.list();
  out = std::move(list);
}

Task<void> stop(orch::Engine& engine, sim::SimTransport& transport) {
  transport.cancel();
  co_await engine.stop();
  co_await transport.join();
}

// Kilobytes of a line such as "VmRSS:  1234 kB".
long status_kb(const std::string& name) {
  std::ifstream file("/proc/self/status");
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with(name + ":")) return std::stol(line.substr(name.size() + 1));
  }
  return 0;
}

int fail(const Error& error) {
  std::fprintf(stderr, "control_plane_state: %s\n", error.message().c_str());
  return 1;
}

int measure_start(store::Database::Options database) {
  const long before_kb = status_kb("VmRSS");
  const auto began = std::chrono::steady_clock::now();
  aio::IoRuntime runtime("core");  // outlives the store, whose thread posts to it
  aio::SystemClock clock;
  auto store = store::SqliteStore::open(std::move(database));
  if (!store) return fail(store.error());
  runtime.start();
  sim::SimTransport transport(runtime.context().get_executor(), clock, 1);
  orch::Engine engine(runtime.context().get_executor(), **store, transport, clock, {}, 1);
  orch::SandboxService service(engine, transport, clock);
  Result<orch::SandboxList> list = Error();
  runtime.run(start(engine, service, list));
  const auto took = std::chrono::steady_clock::now() - began;
  const double cpu_ms = 1000.0 * static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  if (!list) return fail(list.error());
  std::printf(
      "{\"start_ms\": %.1f, \"cpu_ms\": %.1f, \"sandboxes\": %zu, \"empty_bytes\": %ld, \"resident_bytes\": %ld}\n",
      std::chrono::duration<double, std::milli>(took).count(), cpu_ms, list->items.size(), before_kb * 1024,
      status_kb("VmRSS") * 1024);
  runtime.run(stop(engine, transport));
  runtime.stop();
  return 0;
}

int main_of(const std::vector<std::string>& arguments) {
  set_log_observer({});
  store::Database::Options database;
  if (arguments.size() >= 2) database.path = arguments[1];
  if (arguments.size() == 2 && arguments[0] == "start") return measure_start(std::move(database));
  if (arguments.size() != 4 || arguments[0] != "fill") {
    std::fputs("usage: control_plane_state fill DATABASE NODES SANDBOXES | start DATABASE\n", stderr);
    return 2;
  }
  aio::IoRuntime runtime("core");
  auto store = store::SqliteStore::open(std::move(database));
  if (!store) return fail(store.error());
  runtime.start();
  Result<void> filled;
  runtime.run(fill(**store, std::stoul(arguments[2]), std::stoul(arguments[3]), filled));
  runtime.stop();
  return filled ? 0 : fail(filled.error());
}

}  // namespace
}  // namespace sandboxd

int main(int argc, char** argv) { return sandboxd::main_of({argv + 1, argv + argc}); }
