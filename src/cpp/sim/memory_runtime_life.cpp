// MemoryRuntime: standing still, and the end of a task whose files stay.
#include "sim/memory_runtime.hpp"

#include <utility>

namespace sandboxd::sim {

using ports::FoundContainer;

namespace {

constexpr int kKilled = 128 + 9;
constexpr int kStopped = 128 + 15;

}  // namespace

Task<Result<void>> MemoryRuntime::stand(std::string method, std::string key, FoundContainer::Task state) {
  auto machine = machine_;
  SBX_CO_CHECK(co_await enter(method, machine->options_.call_latency));
  const auto at = machine->containers.find(key);
  const auto now = at == machine->containers.end() ? FoundContainer::Task::none : at->second.found.task;
  if (now != FoundContainer::Task::running && now != FoundContainer::Task::paused)
    co_return Error(ErrorCode::not_found, method + " container " + key + ": no running task found");
  at->second.found.task = state;
  machine->changed_.notify();
  co_return Result<void>();
}

Task<Result<void>> MemoryRuntime::pause(std::string key) {
  return stand("pause", std::move(key), FoundContainer::Task::paused);
}

Task<Result<void>> MemoryRuntime::resume(std::string key) {
  return stand("resume", std::move(key), FoundContainer::Task::running);
}

Task<Result<void>> MemoryRuntime::ask_to_stop(std::string key) {
  auto machine = machine_;
  SBX_CO_CHECK(co_await enter("ask_to_stop", machine->options_.call_latency));
  const auto at = machine->containers.find(key);
  if (at == machine->containers.end() || at->second.found.task != FoundContainer::Task::running)
    co_return Result<void>();
  if (!machine->options_.program(at->second.request).ignores_stop) machine->exit(key, kStopped);
  co_return Result<void>();
}

Task<Result<std::optional<int>>> MemoryRuntime::end_task(std::string key) {
  auto machine = machine_;
  SBX_CO_CHECK(co_await enter("end_task", machine->options_.remove_latency));
  machine->exit(key, kKilled);
  const auto at = machine->containers.find(key);
  if (at == machine->containers.end()) co_return std::optional<int>();
  FoundContainer& found = at->second.found;
  found.task = FoundContainer::Task::none;
  found.pid = 0;
  co_return std::exchange(found.exit_code, std::nullopt);
}

}  // namespace sandboxd::sim
