#include "node/restarter.hpp"

#include "aio/shield.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "node/provisioner.hpp"
#include "node/restart_policy.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace sandboxd::node {
namespace {

constexpr Log kLog("node");

bool is_over(const Entry& entry) { return entry.gone || entry.ending || entry.record.phase != model::Phase::running; }

std::size_t index_of(const model::NodeSandbox& record, const std::string& key) {
  const auto& all = record.containers;
  const auto at = std::find_if(all.begin(), all.end(), [&](const auto& container) { return container.key == key; });
  return static_cast<std::size_t>(at - all.begin());
}

void begin_next_life(model::NodeContainer& container) {
  container.key = next_life(container.key);
  container.phase = model::ContainerPhase::creating;
  container.pid = 0;
  ++container.restarts;
}

// What is known of a life by its key goes with it.
void forget(Entry& entry, const std::string& key) {
  entry.exits.erase(key);
  entry.out_of_memory.erase(key);
  entry.pids.erase(key);
  entry.pipes.erase(key);
  entry.images.erase(key);
}

}  // namespace

bool Restarter::take(const EntryPtr& entry, const std::vector<Missing>& ended, bool has_network) {
  const model::RestartPolicy policy = entry->record.spec.restart_policy;
  if (policy == model::RestartPolicy::never) return false;
  if (entry->restarts.of_all) return true;
  const std::size_t count = entry->record.containers.size();
  bool is_whole = has_network;
  for (const Missing& missing : ended) {
    const std::size_t index = index_of(entry->record, missing.key);
    if (index == count) {
      is_whole = false;  // the pause container
    } else if (!entry->restarts.under_way.contains(index) && !is_restarted(policy, missing.exit_code)) {
      return false;
    }
  }
  if (!is_whole) {
    begin_all(entry);
    return true;
  }
  for (const Missing& missing : ended) {
    const std::size_t index = index_of(entry->record, missing.key);
    if (!entry->restarts.under_way.contains(index)) begin(entry, index, missing.exit_code);
  }
  return true;
}

void Restarter::begin(const EntryPtr& entry, std::size_t index, std::optional<int> exit_code) {
  entry->restarts.under_way.insert(index);
  entry->exits.erase(entry->record.containers[index].key);
  entry->work->spawn("restart", restart(entry, index, exit_code));
}

void Restarter::begin_all(const EntryPtr& entry) {
  entry->restarts.of_all = true;
  ++entry->restarts.remade;
  entry->restarts.under_way.clear();
  entry->work->spawn("remake", remake(entry));
}

Task<void> Restarter::restart(EntryPtr entry, std::size_t index, std::optional<int> exit_code) {
  const std::uint64_t remade = entry->restarts.remade;
  const std::string key = entry->record.containers[index].key;
  BackOff& back_off = entry->restarts.back_offs[entry->record.containers[index].name];
  Duration pause = back_off.next(core_.ports.clock.mono_now());
  kLog.info("container ended, will be started again",
            {{"container", key}, {"exit_code", exit_code ? std::to_string(*exit_code) : "unknown"}});
  auto shown = co_await core_.table.observe(entry, [&](model::NodeSandbox& record) {
    model::NodeContainer& container = record.containers[index];
    if (record.phase != model::Phase::running || container.key != key) return false;
    container.phase = model::ContainerPhase::creating;
    container.task_status = "container_exited";
    container.exit_code = exit_code;
    container.error = entry->out_of_memory.contains(key) ? "out of memory" : "";
    container.pid = 0;
    return true;
  });
  if (shown || shown.error().code() != ErrorCode::cancelled) core_.announce(*entry);
  core_.reached(step::kRestartPending, entry->id());
  for (;;) {
    co_await core_.ports.clock.sleep_for(pause);
    auto done = co_await restart_once(entry, index, remade);
    if (is_over(*entry) || entry->restarts.remade != remade) co_return;
    if (done) break;
    co_await show_obstacle(entry, index, done.error());
    pause = back_off.next(core_.ports.clock.mono_now());
  }
  entry->restarts.under_way.erase(index);
  back_off.started(core_.ports.clock.mono_now());
  entry->alive_since = core_.looks;
  core_.announce(*entry);
  core_.reached(step::kRestarted, entry->id());
  if (!entry->exits.empty()) provisioner_.container_exited(entry);
}

Task<Result<void>> Restarter::restart_once(EntryPtr entry, std::size_t index, std::uint64_t remade) {
  const auto permit = co_await entry->tearing_down.acquire();
  if (is_over(*entry) || entry->restarts.remade != remade) co_return Result<void>();
  const std::string key = entry->record.containers[index].key;
  const std::string name = entry->record.containers[index].name;
  SBX_CO_CHECK(co_await core_.ports.output.drain(entry->id(), name));
  SBX_CO_CHECK(co_await aio::shield(core_.ports.runtime.remove(key)));
  if (has_agent(core_, *entry)) SBX_CO_CHECK(co_await aio::shield(core_.ports.guests->forget(key)));
  core_.reached(step::kRestartCleared, entry->id());
  SBX_CO_CHECK(co_await core_.table.change(entry, [index](model::NodeSandbox& record) {
    if (record.phase != model::Phase::running) return false;
    begin_next_life(record.containers[index]);
    return true;
  }));
  forget(*entry, key);
  core_.reached(step::kRestartPlanned, entry->id());
  SBX_CO_CHECK(co_await provisioner_.make_one(entry, index));
  SBX_CO_CHECK(co_await provisioner_.lower_cpu(entry));
  co_await show_running(entry, index, index + 1);
  co_return Result<void>();
}

// They do run, whatever the disk says; what it refused is saved later.
Task<void> Restarter::show_running(EntryPtr entry, std::size_t first, std::size_t last) {
  auto shown = co_await core_.table.observe(entry, [&entry, first, last](model::NodeSandbox& record) {
    if (record.phase != model::Phase::running) return false;
    record.ip = entry->slot.ip;
    for (std::size_t i = first; i < last; ++i) mark_running(record.containers[i], *entry);
    return true;
  });
  if (!shown && shown.error().code() != ErrorCode::cancelled)
    kLog.warn("restart not saved", {{"sandbox", entry->id().str()}, {"error", shown.error().message()}});
}

Task<void> Restarter::remake(EntryPtr entry) {
  BackOff& back_off = entry->restarts.back_offs[""];
  kLog.info("sandbox ended, all of it will be made again", {{"sandbox", entry->id().str()}});
  for (;;) {
    co_await core_.ports.clock.sleep_for(back_off.next(core_.ports.clock.mono_now()));
    auto done = co_await remake_once(entry);
    if (is_over(*entry)) co_return;
    if (done) break;
    co_await show_obstacle(entry, 0, done.error());
  }
  entry->restarts.of_all = false;
  back_off.started(core_.ports.clock.mono_now());
  entry->alive_since = core_.looks;
  core_.announce(*entry);
  core_.reached(step::kRestarted, entry->id());
  if (!entry->exits.empty()) provisioner_.container_exited(entry);
}

Task<Result<void>> Restarter::remake_once(EntryPtr entry) {
  const auto permit = co_await entry->tearing_down.acquire();
  if (is_over(*entry)) co_return Result<void>();
  entry->redoing = true;
  SBX_CO_CHECK(co_await remover_.clear(entry));
  core_.reached(step::kRestartCleared, entry->id());
  // Without an address until it has its next one: the last one may be somebody else's by then.
  SBX_CO_CHECK(co_await core_.table.change(entry, [](model::NodeSandbox& record) {
    if (record.phase != model::Phase::running) return false;
    record.ip.clear();
    record.pod_key = record.pod_key.empty() ? "" : next_life(record.pod_key);
    for (model::NodeContainer& container : record.containers) begin_next_life(container);
    return true;
  }));
  entry->slot = {};
  entry->pids.clear();
  entry->pipes.clear();
  entry->images.clear();
  entry->out_of_memory.clear();
  core_.announce(*entry);
  core_.reached(step::kRestartPlanned, entry->id());
  SBX_CO_CHECK(co_await provisioner_.make_containers(entry));
  SBX_CO_CHECK(co_await provisioner_.lower_cpu(entry));
  SBX_CO_CHECK(co_await aio::shield(core_.ports.network.publish(entry->slot, entry->record.ports)));
  co_await show_running(entry, 0, entry->record.containers.size());
  co_return Result<void>();
}

Task<void> Restarter::show_obstacle(EntryPtr entry, std::size_t index, Error error) {
  std::string text = error.message();
  if (text.size() > limits::kErrorTextMax) text.resize(limits::kErrorTextMax);
  kLog.warn("not started again yet", {{"sandbox", entry->id().str()}, {"error", text}});
  auto shown = co_await core_.table.observe(entry, [index, &text](model::NodeSandbox& record) {
    if (record.phase != model::Phase::running || record.containers[index].error == text) return false;
    record.containers[index].error = text;
    return true;
  });
  if (shown) core_.announce(*entry);
}

}  // namespace sandboxd::node
