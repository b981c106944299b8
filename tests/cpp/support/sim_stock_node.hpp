// A stock sandboxd-o node on the simulated network: no watch stream, no uids, work in the background.
#pragma once

#include "aio/task_group.hpp"
#include "codec/life_mark.hpp"
#include "ports/clock.hpp"
#include "sim/sim_transport.hpp"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace sandboxd::test {

class SimStockNode final : public sim::SimNodeServer {
 public:
  struct Record {
    model::NodeCreateRequest request;
    model::Phase phase = model::Phase::creating;
    std::string error;
    std::vector<model::ContainerStatus> unhealthy;
  };

  SimStockNode(boost::asio::any_io_executor executor, ports::Clock& clock) : clock_(clock), work(executor) {
    report.allocatable_cpu_milli = report.capacity_cpu_milli = 4000;
    report.allocatable_memory_bytes = report.capacity_memory_bytes = std::int64_t{1} << 30;
    report.max_alloc_percent = 100;
  }

  Task<Result<void>> create(model::NodeCreateRequest request) override {
    const Duration takes = create_takes;
    co_await clock_.sleep_for(takes);
    ++creates;
    if (machine.contains(request.id)) {
      co_return Error(ErrorCode::already_exists, "sandbox already exists: " + request.id.str());
    }
    if (!refusal.empty()) co_return Error(refusal_code, refusal);
    request.uid.clear();  // a field that it does not know
    const SandboxId id = request.id;
    machine[id].request = std::move(request);
    work.spawn("provision", provision(id));
    co_return Result<void>();
  }
  Task<Result<void>> remove(SandboxId id, std::string) override {
    ++removes;
    co_await clock_.sleep_for(std::chrono::milliseconds(20));
    if (!removal_fault.empty()) co_return Error(ErrorCode::internal, removal_fault);
    machine.erase(id);
    co_return Result<void>();
  }
  Result<std::unique_ptr<ports::NodeWatch>> subscribe() override {
    return Error(ErrorCode::unsupported, "the node has no watch stream");
  }

  Result<void> probe() override {
    ++probes;
    return {};
  }
  Result<model::NodeResources> resources() override {
    if (refuses_token) return Error(ErrorCode::unauthenticated, "the node refused the token: unauthorized");
    model::NodeResources out = report;
    out.used_cpu_milli = foreign_cpu_milli;
    for (const auto& [id, record] : machine) {
      if (record.phase == model::Phase::failed) continue;
      out.used_cpu_milli += model::total_request_cpu_milli(record.request.spec);
    }
    return out;
  }
  Result<ports::SandboxStatuses> statuses(const std::vector<SandboxId>& ids) override {
    ++batches;
    largest_batch = std::max(largest_batch, ids.size());
    ports::SandboxStatuses out;
    for (const SandboxId& id : ids) {
      if (unreadable.contains(id)) return Error(ErrorCode::internal, "unexpected end of JSON input");
      const auto found = machine.find(id);
      if (found == machine.end() || overlooked.contains(id)) {
        out.missing.push_back(id);
      } else {
        out.items.push_back(status_of(id, found->second));
        out.items.back().uid.clear();
      }
    }
    return out;
  }
  Result<std::optional<model::NodeSandboxStatus>> find(const SandboxId& id) override {
    std::optional<model::NodeSandboxStatus> out;
    const auto found = machine.find(id);
    if (found != machine.end()) out = status_of(id, found->second);
    return out;
  }
  Result<ports::SandboxPage> list(const std::string& cursor) override {
    ports::SandboxPage out;
    for (auto at = machine.upper_bound(SandboxId(cursor)); at != machine.end(); ++at) {
      if (out.items.size() == 2) {  // small pages, so that there are several
        out.next_cursor = out.items.back().id.str();
        break;
      }
      out.items.push_back(status_of(at->first, at->second));
    }
    return out;
  }
  Result<void> reconcile() override {
    ++reconciles;
    if (!reconcile_fault.empty()) return Error(ErrorCode::internal, reconcile_fault);
    return {};
  }

  // What another life, or another control plane, left there.
  void plant(const std::string& id, const std::string& uid) {
    Record& record = machine[SandboxId(id)];
    record.request.id = SandboxId(id);
    record.request.uid = uid;
    if (!uid.empty()) codec::mark_life(record.request);
    record.phase = model::Phase::running;
  }

  std::map<SandboxId, Record> machine;
  std::set<SandboxId> unreadable;  // their state cannot be read
  std::set<SandboxId> overlooked;  // batches call them missing
  std::string refusal;             // of every create
  ErrorCode refusal_code = ErrorCode::invalid_argument;
  std::string removal_fault;
  std::string reconcile_fault;
  std::string provision_fault;  // in its words
  bool refuses_token = false;
  std::int64_t foreign_cpu_milli = 0;
  Duration create_takes = std::chrono::milliseconds(5);
  Duration provision_takes = std::chrono::milliseconds(800);
  model::NodeResources report;
  int probes = 0;
  int batches = 0;
  int creates = 0;
  int removes = 0;
  int reconciles = 0;
  std::size_t largest_batch = 0;

 private:
  Task<void> provision(SandboxId id) {
    const Duration takes = provision_takes;
    co_await clock_.sleep_for(takes);
    const auto found = machine.find(id);
    if (found == machine.end()) co_return;
    found->second.phase = provision_fault.empty() ? model::Phase::running : model::Phase::failed;
    found->second.error = provision_fault;
  }
  static model::NodeSandboxStatus status_of(const SandboxId& id, const Record& record) {
    model::NodeSandboxStatus out;
    out.id = id;
    for (const model::Volume& volume : record.request.spec.volumes) {
      if (auto uid = codec::life_of(volume.name); !uid.empty()) out.uid = std::move(uid);
    }
    out.phase = record.phase;
    if (record.phase == model::Phase::running) out.ip = "10.89.0.7";
    out.error = record.error;
    out.containers = record.unhealthy;
    return out;
  }

  ports::Clock& clock_;

 public:
  aio::TaskGroup work;
};

}  // namespace sandboxd::test
