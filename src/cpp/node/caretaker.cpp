#include "node/caretaker.hpp"

#include "aio/shield.hpp"
#include "base/log.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace sandboxd::node {
namespace {

constexpr Log kLog("node");
constexpr Duration kPauseMin = std::chrono::milliseconds(200);
constexpr Duration kPauseMax = std::chrono::seconds(5);
constexpr Duration kTombstoneAge = std::chrono::hours(24);

}  // namespace

Caretaker::Caretaker(AgentCore& core, Provisioner& provisioner, Remover& remover, LifeCycle& life)
    : core_(core), provisioner_(provisioner), remover_(remover), life_(life), looking_(core.executor, 1) {}

Task<Result<void>> Caretaker::look() {
  const auto permit = co_await looking_.acquire();
  auto looked = co_await look_now();
  if (looked) {
    if (core_.runtime_down) kLog.info("container runtime answers again");
    core_.runtime_down.reset();
  } else if (looked.error().code() == ErrorCode::unavailable || !core_.converged) {
    core_.runtime_down = looked.error();
  }
  co_return looked;
}

Task<Result<void>> Caretaker::look_now() {
  ++core_.looks;
  SBX_CO_CHECK(co_await core_.ports.runtime.check());
  auto containers = co_await core_.ports.runtime.list();
  if (!containers) co_return containers.error();
  auto slots = co_await core_.ports.network.list_slots();
  if (!slots) co_return slots.error();
  Found found = index_found(*std::move(containers), *std::move(slots));

  // From here to the end of the loop nothing suspends: the table is what the lists are compared with.
  const bool first = !core_.converged;
  std::vector<EntryPtr> entries;
  for (const auto& [id, entry] : core_.table.entries()) entries.push_back(entry);
  for (const auto& entry : entries) {
    if (entry->accepted) act(entry, found, first);
  }
  core_.converged = true;
  if (core_.options.config.reap_exited) co_await reap_ended();
  co_await remove_orphans(std::move(found));
  co_await remove_orphan_traces();
  co_return Result<void>();
}

void Caretaker::act(const EntryPtr& entry, const Found& found, bool first) {
  const Verdict verdict = judge(entry->record, found);
  if (first) learn(entry, found);
  if (entry->stand_in && verdict != Verdict::erase) return;
  switch (verdict) {
    case Verdict::none: return;
    case Verdict::keep:
      if (!first) return;
      core_.tasks.spawn("restore", restore(entry));
      return life_.take_up(entry);
    case Verdict::stop:
      if (first) life_.take_up(entry);
      return;
    case Verdict::ended:
      // A sandbox that came to run after this look began is not missing in it.
      if (entry->ending || entry->alive_since >= core_.looks) return;
      if (entry->record.phase != model::Phase::running || !start_missing(entry, found))
        return end_missing(entry, found);
      // What still runs of it, and its ports.
      if (first && !entry->restarts.of_all) core_.tasks.spawn("restore", restore(entry));
      return;
    case Verdict::resume:
      if (first) provisioner_.begin(entry, Provisioner::From::containers);
      return;
    case Verdict::redo:
      if (first) provisioner_.begin(entry, Provisioner::From::leftovers);
      return;
    case Verdict::release:
      if (first) core_.tasks.spawn("release", release(entry));
      return;
    case Verdict::erase:
      if (first) core_.tasks.spawn("delete", remover_.erase(entry));
      return;
  }
}

void Caretaker::learn(const EntryPtr& entry, const Found& found) {
  const auto slot = found.slots.find(entry->record.slot);
  if (slot != found.slots.end()) entry->slot = slot->second;
  for (const auto& container : entry->record.containers) {
    const auto at = found.containers.find(container.key);
    if (at != found.containers.end() && at->second.pid != 0) entry->pids[container.key] = at->second.pid;
  }
}

// By the restart policy. What the machine does not say of an end, an event or the record may.
bool Caretaker::start_missing(const EntryPtr& entry, const Found& found) {
  std::vector<Missing> missing = missing_containers(entry->record, found);
  for (Missing& one : missing) {
    if (one.exit_code) continue;
    if (const auto exit = entry->exits.find(one.key); exit != entry->exits.end()) one.exit_code = exit->second;
    for (const auto& container : entry->record.containers) {
      if (container.key == one.key && !one.exit_code) one.exit_code = container.exit_code;
    }
  }
  return provisioner_.restarter().take(entry, missing, has_network(entry->record, found));
}

void Caretaker::end_missing(const EntryPtr& entry, const Found& found) {
  std::string lost;
  for (const Missing& missing : missing_containers(entry->record, found)) {
    if (missing.exit_code) {
      entry->exits.emplace(missing.key, *missing.exit_code);
    } else if (lost.empty()) {
      lost = missing.name;
    }
  }
  entry->ending = true;
  Remover::End end = Remover::explain_exit(*entry);
  if (end.phase == model::Phase::stopped && !lost.empty())
    end = {model::Phase::failed, "container " + lost + " is gone: it ended while nobody watched"};
  else if (entry->exits.empty())
    end = {model::Phase::failed, "the sandbox's network is gone"};
  core_.tasks.spawn("finish", remover_.finish(entry, std::move(end)));
}

Task<void> Caretaker::restore(EntryPtr entry) {
  Duration pause = kPauseMin;
  while (!entry->gone && is_up(entry->record.phase) && !entry->ending && !entry->restarts.of_all) {
    auto restored = co_await restore_once(entry);
    if (restored) co_return;
    kLog.warn("sandbox not restored yet", {{"sandbox", entry->id().str()}, {"error", restored.error().message()}});
    co_await core_.ports.clock.sleep_for(pause);
    pause = std::min(pause * 2, kPauseMax);
  }
}

Task<Result<void>> Caretaker::restore_once(EntryPtr entry) {
  const std::vector<model::NodeContainer> containers = entry->record.containers;
  for (const auto& container : containers) {
    auto opened = co_await core_.ports.output.open(entry->id(), container.name);
    if (!opened) co_return opened.error();
  }
  // Policy and rules are in the kernel, forwarders of 127.0.0.1 were in the process that ended. The clean-up's lock
  // keeps ports from being opened for a sandbox that goes away meanwhile.
  const auto permit = co_await entry->tearing_down.acquire();
  if (!is_up(entry->record.phase) || entry->ending || entry->restarts.of_all) co_return Result<void>();
  // An agent that ended in the middle of a restart may have left it raised.
  SBX_CO_CHECK(co_await provisioner_.lower_cpu(entry));
  SBX_CO_CHECK(co_await aio::shield(core_.ports.network.set_egress(entry->slot, entry->record.spec.egress)));
  SBX_CO_CHECK(co_await aio::shield(core_.ports.network.publish(entry->slot, entry->record.ports)));
  co_return co_await settle_record(entry);
}

// A restart was under way whose last step, the record of it, is missing.
Task<Result<void>> Caretaker::settle_record(EntryPtr entry) {
  auto settled = co_await core_.table.change(entry, [&entry](model::NodeSandbox& record) {
    if (record.phase != model::Phase::running) return false;
    const model::NodeSandbox before = record;
    record.ip = entry->slot.ip;
    for (std::size_t i = 0; i < record.containers.size(); ++i) {
      const bool is_there = !entry->restarts.under_way.contains(i) && !entry->exits.contains(record.containers[i].key);
      if (is_there && record.containers[i].phase != model::ContainerPhase::running)
        mark_running(record.containers[i], *entry);
    }
    return record != before;
  });
  if (settled) core_.announce(*entry);
  if (!settled && settled.error().code() != ErrorCode::cancelled) co_return settled.error();
  co_return Result<void>();
}

Task<void> Caretaker::release(EntryPtr entry) { co_await remover_.take_down(entry); }

// As the original: after so many sightings and so much time.
bool Caretaker::is_to_be_reaped(Entry& entry) const {
  const bool is_ended = entry.record.phase == model::Phase::stopped || entry.record.phase == model::Phase::failed;
  if (!is_ended || !entry.accepted || entry.stand_in || entry.holds || keeps_files(entry.record)) return false;
  const MonoTime now = core_.ports.clock.mono_now();
  if (entry.end_sightings++ == 0) entry.end_seen = now;
  const NodeConfig& config = core_.options.config;
  return entry.end_sightings >= config.reconcile_hits && now - entry.end_seen >= config.reconcile_grace;
}

Task<void> Caretaker::reap_ended() {
  std::vector<EntryPtr> reaped;
  for (const auto& [id, entry] : core_.table.entries()) {
    if (is_to_be_reaped(*entry)) reaped.push_back(entry);
  }
  for (const EntryPtr& entry : reaped) {
    kLog.info("removing a sandbox that ended", {{"sandbox", entry->id().str()}, {"error", entry->record.error}});
    auto begun = co_await remover_.begin_erasing(entry);
    if (!begun && begun.error().code() != ErrorCode::cancelled)
      kLog.warn("ended sandbox kept for now", {{"sandbox", entry->id().str()}, {"error", begun.error().message()}});
  }
}

// A damaged record does not name its containers.
bool Caretaker::is_kept_aside(const SandboxId& sandbox) const {
  const EntryPtr entry = core_.table.find(sandbox);
  return core_.unsure || (entry && entry->stand_in && entry->record.phase != model::Phase::deleting);
}

Task<void> Caretaker::remove_orphans(Found found) {
  for (const auto& [key, container] : found.containers) {
    if (core_.table.find_by_container(key) || is_kept_aside(container.sandbox)) continue;
    kLog.info("removing a container that no sandbox owns", {{"container", key}});
    auto removed = co_await aio::shield(core_.ports.runtime.remove(key));
    if (!removed) kLog.warn("orphan left for later", {{"container", key}, {"error", removed.error().message()}});
  }
  for (const auto& [name, slot] : found.slots) {
    if (core_.unsure || core_.table.owns_slot(name) || core_.pool.owns(name)) continue;
    const bool complete = !slot.ip.empty() && !slot.namespace_path.empty();
    // At a later look it may have been claimed, used and destroyed since the list was made.
    if (complete && !core_.pool_adopted && core_.pool.adopt(slot)) continue;
    auto destroyed = co_await aio::shield(core_.ports.network.destroy_slot(name));
    if (!destroyed) kLog.warn("orphan left for later", {{"slot", name}, {"error", destroyed.error().message()}});
  }
  core_.pool_adopted = true;
}

Task<void> Caretaker::remove_orphan_traces() {
  if (core_.unsure) co_return;
  auto outputs = co_await core_.ports.output.list();
  if (outputs) {
    for (const SandboxId& id : *outputs) {
      if (core_.table.find(id)) continue;
      auto removed = co_await core_.ports.output.remove(id);
      if (!removed) kLog.warn("orphan log left for later", {{"sandbox", id.str()}});
    }
  }
  co_await remove_orphan_guests();
  if (core_.ports.files == nullptr) co_return;
  auto files = co_await core_.ports.files->list();
  if (!files) co_return;
  for (const SandboxId& id : *files) {
    if (core_.table.find(id)) continue;
    auto removed = co_await core_.ports.files->remove(id);
    if (!removed) kLog.warn("orphan files left for later", {{"sandbox", id.str()}});
  }
}

Task<void> Caretaker::remove_orphan_guests() {
  if (core_.ports.guests == nullptr) co_return;
  auto keys = co_await core_.ports.guests->list();
  if (!keys) co_return;
  for (const std::string& key : *keys) {
    if (core_.table.find_by_container(key)) continue;
    auto removed = co_await core_.ports.guests->forget(key);
    if (!removed) kLog.warn("orphan directory of an agent left for later", {{"container", key}});
  }
}

void Caretaker::handle(const ports::RuntimeEvent& event) {
  if (const auto* memory = std::get_if<ports::ContainerOutOfMemory>(&event)) {
    if (const EntryPtr entry = core_.table.find_by_container(memory->key)) entry->out_of_memory.insert(memory->key);
    return;
  }
  const auto& exited = std::get<ports::ContainerExited>(event);
  const EntryPtr entry = core_.table.find_by_container(exited.key);
  // Exits during a redo's clean-up are of the earlier run's containers.
  if (!entry || entry->redoing) return;
  if (entry->record.phase == model::Phase::stopping) {
    entry->exits.emplace(exited.key, exited.exit_code);
    entry->changed.notify();
  }
  if (entry->ending) return;
  entry->exits.emplace(exited.key, exited.exit_code);
  provisioner_.container_exited(entry);
}

Task<void> Caretaker::follow_runtime() {
  Duration pause = kPauseMin;
  for (;;) {
    auto event = co_await core_.ports.runtime.next_event();
    if (event) {
      handle(*event);
      continue;
    }
    if (!core_.runtime_down && !core_.stopping)
      kLog.warn("container runtime lost", {{"error", event.error().message()}});
    for (;;) {
      co_await core_.ports.clock.sleep_for(pause);
      auto looked = co_await look();
      if (looked) break;
      pause = std::min(pause * 2, kPauseMax);
    }
    pause = kPauseMin;
  }
}

Task<void> Caretaker::patrol() {
  for (;;) {
    co_await core_.ports.clock.sleep_for(core_.options.config.reconcile_interval);
    auto looked = co_await look();
    if (!looked) kLog.warn("reconcile failed", {{"error", looked.error().message()}});
    co_await core_.table.save_pending();
    co_await core_.table.forget_tombstones(kTombstoneAge);
    core_.pool.poke();
    if (core_.options.after_patrol) core_.options.after_patrol();
  }
}

}  // namespace sandboxd::node
