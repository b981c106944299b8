#include "node/usage_reader.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace sandboxd::node {
namespace {

constexpr Duration kSampleGap = std::chrono::milliseconds(100);
// An older sample would tell what the sandbox did, not what it does.
constexpr Duration kSampleAgeMax = std::chrono::seconds(30);

double two_decimals(double value) { return std::round(value * 100) / 100; }

bool counts(model::Phase phase) {
  return phase == model::Phase::running || phase == model::Phase::paused || phase == model::Phase::pausing ||
         phase == model::Phase::stopping;
}

}  // namespace

double cpu_percent(std::int64_t cpu_nanos, Duration time) {
  const auto nanos = std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
  if (nanos <= 0 || cpu_nanos <= 0) return 0;
  return two_decimals(100.0 * static_cast<double>(cpu_nanos) / static_cast<double>(nanos));
}

double percent_of(std::int64_t part, std::int64_t whole) {
  return whole <= 0 ? 0 : two_decimals(100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

Task<Result<model::SandboxUsage>> UsageReader::measure(EntryPtr entry) {
  model::SandboxUsage usage;
  std::vector<std::string> keys;
  const std::string pod_key = entry->record.pod_key;
  if (!pod_key.empty()) keys.push_back(pod_key);
  for (const auto& container : entry->record.containers) keys.push_back(container.key);
  SBX_CO_TRY(metered, co_await core_.ports.usage->read(std::move(keys)));
  bool is_limited = true;
  const auto add = [&usage](const ports::MeteredUsage& one) {
    usage.cpu_nanos += one.cpu_nanos;
    usage.memory_bytes += one.memory_bytes;
    usage.pids += one.pids;
  };
  for (const auto& container : entry->record.containers) {
    model::ContainerUsage one;
    one.name = container.name;
    if (const auto found = metered.find(container.key); found != metered.end()) {
      add(found->second);
      one.cpu_nanos = found->second.cpu_nanos;
      one.memory_bytes = found->second.memory_bytes;
      one.memory_limit_bytes = found->second.memory_limit_bytes;
      one.pids = found->second.pids;
      usage.memory_limit_bytes += one.memory_limit_bytes;
      is_limited = is_limited && one.memory_limit_bytes > 0;
    }
    usage.containers.push_back(std::move(one));
  }
  // A pod's root has its share, and under gVisor all of it: the limit is the pod's.
  if (const auto root = metered.find(pod_key); !pod_key.empty() && root != metered.end()) {
    add(root->second);
    if (root->second.memory_limit_bytes > 0) usage.memory_limit_bytes = root->second.memory_limit_bytes;
    is_limited = is_limited || root->second.memory_limit_bytes > 0;
  }
  if (!metered.empty() && (!is_limited || usage.memory_limit_bytes == 0))
    usage.memory_limit_bytes = core_.capacity.host.memory_bytes;
  usage.memory_percent = percent_of(usage.memory_bytes, usage.memory_limit_bytes);
  co_return usage;
}

void UsageReader::forget_old() {
  const MonoTime now = core_.ports.clock.mono_now();
  std::erase_if(samples_, [now](const auto& sample) { return now - sample.second.at > kSampleAgeMax; });
}

Task<Result<model::SandboxUsage>> UsageReader::read(SandboxId id) {
  if (core_.ports.usage == nullptr) co_return Error(ErrorCode::unsupported, "this node does not measure usage");
  const EntryPtr entry = core_.table.find(id);
  if (!entry || !entry->accepted) co_return Error(ErrorCode::not_found, "not found");
  if (!counts(entry->record.phase)) {
    model::SandboxUsage none;
    for (const auto& container : entry->record.containers) none.containers.push_back({.name = container.name});
    co_return none;
  }
  const std::string uid = entry->record.uid;
  forget_old();
  SBX_CO_TRY(usage, co_await measure(entry));
  Sample now{uid, core_.ports.clock.mono_now(), usage.cpu_nanos, 0};
  auto before = samples_.find(id);
  // A restart begins to count anew.
  if (before == samples_.end() || before->second.uid != uid || before->second.cpu_nanos > now.cpu_nanos) {
    co_await core_.ports.clock.sleep_for(kSampleGap);
    const Sample first = now;
    SBX_CO_TRY(again, co_await measure(entry));
    usage = std::move(again);
    now = {uid, core_.ports.clock.mono_now(), usage.cpu_nanos, 0};
    now.cpu_percent = cpu_percent(now.cpu_nanos - first.cpu_nanos, now.at - first.at);
    samples_[id] = now;
  } else if (now.at - before->second.at >= kSampleGap) {
    now.cpu_percent = cpu_percent(now.cpu_nanos - before->second.cpu_nanos, now.at - before->second.at);
    before->second = now;
  } else {
    now.cpu_percent = before->second.cpu_percent;  // too soon to tell anything new
  }
  usage.cpu_percent = now.cpu_percent;
  co_return usage;
}

}  // namespace sandboxd::node
