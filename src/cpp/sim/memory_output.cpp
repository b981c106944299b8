#include "sim/memory_output.hpp"

#include "base/limits.hpp"
#include "model/spec.hpp"

#include <utility>

namespace sandboxd::sim {
namespace {

Result<void> check_id(const SandboxId& sandbox) {
  if (model::is_valid_name(sandbox.str(), limits::kSandboxIdLengthMax)) return {};
  return Error(ErrorCode::invalid_argument, "invalid sandbox id");
}

Result<void> check_names(const SandboxId& sandbox, const std::string& container) {
  SBX_CHECK(check_id(sandbox));
  if (model::is_valid_name(container, limits::kNameLengthMax)) return {};
  return Error(ErrorCode::invalid_argument, "invalid container name");
}

}  // namespace

void MemoryOutputMachine::print(const SandboxId& sandbox, const std::string& container, std::string line) {
  const auto log = logs.find({sandbox, container});
  if (log != logs.end()) log->second.push_back(std::move(line));
}

MemoryOutput::MemoryOutput(std::shared_ptr<MemoryOutputMachine> machine) : machine_(std::move(machine)) {}

void MemoryOutput::fail(const std::string& method, int nth, Error error) {
  failures_[method].emplace_back(nth, std::move(error));
}

Result<void> MemoryOutput::planned_failure(const std::string& method) {
  auto& planned = failures_[method];
  Result<void> outcome;
  for (auto at = planned.begin(); at != planned.end();) {
    if (--at->first > 0) {
      ++at;
      continue;
    }
    outcome = std::move(at->second);
    at = planned.erase(at);
  }
  return outcome;
}

Task<Result<void>> MemoryOutput::start() { co_return planned_failure("start"); }

Task<Result<ports::OutputPipes>> MemoryOutput::open(SandboxId sandbox, std::string container) {
  SBX_CO_CHECK(check_names(sandbox, container));
  SBX_CO_CHECK(planned_failure("open"));
  machine_->logs[{sandbox, container}];
  const std::string path = "/sim/io/" + sandbox.str() + "/" + container;
  co_return ports::OutputPipes{path + ".out", path + ".err"};
}

Task<Result<void>> MemoryOutput::drain(SandboxId sandbox, std::string container) {
  SBX_CO_CHECK(check_names(sandbox, container));
  co_return planned_failure("drain");
}

Task<Result<void>> MemoryOutput::remove(SandboxId sandbox) {
  SBX_CO_CHECK(check_id(sandbox));
  SBX_CO_CHECK(planned_failure("remove"));
  std::erase_if(machine_->logs, [&](const auto& log) { return log.first.first == sandbox; });
  co_return Result<void>();
}

Task<Result<std::vector<SandboxId>>> MemoryOutput::list() {
  SBX_CO_CHECK(planned_failure("list"));
  std::vector<SandboxId> sandboxes;
  for (const auto& [key, lines] : machine_->logs) {
    if (sandboxes.empty() || sandboxes.back() != key.first) sandboxes.push_back(key.first);
  }
  co_return sandboxes;
}

Task<Result<std::vector<std::string>>> MemoryOutput::read(SandboxId sandbox, std::string container) {
  SBX_CO_CHECK(check_names(sandbox, container));
  SBX_CO_CHECK(planned_failure("read"));
  const auto log = machine_->logs.find({sandbox, container});
  if (log == machine_->logs.end() || log->second.empty())
    co_return Error(ErrorCode::not_found, "no log of " + container);
  co_return log->second;
}

}  // namespace sandboxd::sim
