#include "sim/memory_output.hpp"

#include "base/limits.hpp"
#include "model/spec.hpp"

#include <boost/asio/this_coro.hpp>

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

class MemoryReader final : public ports::OutputReader {
 public:
  MemoryReader(std::shared_ptr<MemoryOutputMachine> machine, std::shared_ptr<aio::Notifier> changed, SandboxId sandbox,
               const std::vector<std::string>& containers)
      : machine_(std::move(machine)), changed_(std::move(changed)), sandbox_(std::move(sandbox)) {
    for (const std::string& container : containers) given_[container] = 0;
  }

  Task<Result<std::optional<std::vector<ports::ContainerOutput>>>> next() override {
    using Next = std::optional<std::vector<ports::ContainerOutput>>;
    for (;;) {
      auto fresh = take();
      if (!std::exchange(has_begun_, true) || !fresh.empty()) co_return Next(std::move(fresh));
      if (is_finished_) co_return Next();
      co_await changed_->wait();
    }
  }

  void finish() override {
    is_finished_ = true;
    changed_->notify();
  }

 private:
  std::vector<ports::ContainerOutput> take() {
    std::vector<ports::ContainerOutput> fresh;
    for (auto& [container, given] : given_) {
      const auto log = machine_->logs.find({sandbox_, container});
      if (log == machine_->logs.end() || log->second.size() <= given) continue;
      const auto first = log->second.begin() + static_cast<std::ptrdiff_t>(given);
      fresh.push_back({container, {first, log->second.end()}});
      given = log->second.size();
    }
    return fresh;
  }

  std::shared_ptr<MemoryOutputMachine> machine_;
  std::shared_ptr<aio::Notifier> changed_;
  SandboxId sandbox_;
  std::map<std::string, std::size_t> given_;  // lines, by container
  bool has_begun_ = false;
  bool is_finished_ = false;
};

}  // namespace

void MemoryOutputMachine::print(const SandboxId& sandbox, const std::string& container, std::string line) {
  const auto log = logs.find({sandbox, container});
  if (log == logs.end()) return;
  log->second.push_back(std::move(line));
  std::erase_if(followers, [](const auto& weak) { return weak.expired(); });
  for (const auto& weak : followers) {
    if (const auto follower = weak.lock()) follower->notify();
  }
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

Task<Result<std::unique_ptr<ports::OutputReader>>> MemoryOutput::follow(SandboxId sandbox,
                                                                        std::vector<std::string> containers) {
  SBX_CO_CHECK(check_id(sandbox));
  for (const std::string& container : containers) SBX_CO_CHECK(check_names(sandbox, container));
  SBX_CO_CHECK(planned_failure("follow"));
  const auto first = machine_->logs.lower_bound({sandbox, std::string()});
  if (first == machine_->logs.end() || first->first.first != sandbox)
    co_return Error(ErrorCode::not_found, "no log of " + sandbox.str());
  auto changed = std::make_shared<aio::Notifier>(co_await boost::asio::this_coro::executor);
  machine_->followers.push_back(changed);
  co_return std::make_unique<MemoryReader>(machine_, std::move(changed), std::move(sandbox), containers);
}

}  // namespace sandboxd::sim
