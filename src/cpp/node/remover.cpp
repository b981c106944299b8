#include "node/remover.hpp"

#include "aio/deadline.hpp"
#include "aio/shield.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "node/gather.hpp"
#include "node/life_cycle.hpp"

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <exception>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sandboxd::node {
namespace {

constexpr Log kLog("node");
constexpr Duration kPauseMin = std::chrono::milliseconds(200);
constexpr Duration kPauseMax = std::chrono::seconds(15);

}  // namespace

void mark_ended(model::NodeSandbox& record, const Entry& entry) {
  for (model::NodeContainer& container : record.containers) {
    const auto exit = entry.exits.find(container.key);
    if (exit != entry.exits.end()) {
      container.exit_code = exit->second;
      container.task_status = "container_exited";
    }
    container.phase = model::ContainerPhase::stopped;
    container.pid = 0;
    if (entry.out_of_memory.contains(container.key)) container.error = "out of memory";
  }
}

namespace {

std::string out_of_memory_text(const Entry& entry) {
  for (std::size_t i = 0; i < entry.record.containers.size(); ++i) {
    const model::NodeContainer& container = entry.record.containers[i];
    if (!entry.out_of_memory.contains(container.key)) continue;
    const model::Amount& limit = entry.record.spec.containers[i].resources.limit_memory_bytes;
    return "container " + container.name + " was killed: out of memory (limit " +
           (limit.text.empty() ? std::to_string(limit.value) : limit.text) + ")";
  }
  // In a pod the kernel may blame the root, whose limit is the sum.
  if (!entry.record.pod_key.empty() && entry.out_of_memory.contains(entry.record.pod_key))
    return "the sandbox was killed: out of memory";
  return {};
}

}  // namespace

Remover::End Remover::explain_exit(const Entry& entry) {
  for (const model::NodeContainer& container : entry.record.containers) {
    const auto exit = entry.exits.find(container.key);
    if (exit == entry.exits.end() || exit->second == 0) continue;
    const std::string memory = out_of_memory_text(entry);
    if (!memory.empty()) return {model::Phase::failed, memory};
    return {model::Phase::failed, "container " + container.name + " exited with code " + std::to_string(exit->second)};
  }
  if (!entry.record.pod_key.empty() && entry.exits.contains(entry.record.pod_key)) {
    const std::string memory = out_of_memory_text(entry);
    return {model::Phase::failed, memory.empty() ? "pause container is not running" : memory};
  }
  return {model::Phase::stopped, ""};
}

namespace {

Task<Result<void>> wait_released(EntryPtr entry) {
  while (entry->holds) co_await entry->changed.wait();
  co_return Result<void>();
}

}  // namespace

Task<Result<void>> Remover::close_ports(EntryPtr entry) {
  if (entry->record.slot.empty()) co_return Result<void>();
  ports::NetworkSlot slot = entry->slot;
  slot.name = entry->record.slot;
  co_return co_await aio::shield(core_.ports.network.unpublish(slot));
}

// Their keys were lost with the record. In the order of keys, so that the root of a pod goes last.
Task<Result<void>> Remover::remove_unrecorded(SandboxId id) {
  auto found = co_await core_.ports.runtime.list();
  if (!found) co_return found.error();
  std::set<std::string> keys;
  for (const ports::FoundContainer& container : *found) {
    if (container.sandbox == id) keys.insert(container.key);
  }
  for (const std::string& key : keys) SBX_CO_CHECK(co_await aio::shield(core_.ports.runtime.remove(key)));
  co_return Result<void>();
}

Task<Result<void>> Remover::remove_containers(EntryPtr entry) {
  if (entry->stand_in) SBX_CO_CHECK(co_await remove_unrecorded(entry->id()));
  if (keeps_files(entry->record)) {
    SBX_CO_CHECK(co_await end_tasks(entry));
    co_return co_await forget_guests(entry);
  }
  std::vector<Task<Result<void>>> removals;
  for (const auto& container : entry->record.containers)
    removals.push_back(aio::shield(core_.ports.runtime.remove(container.key)));
  auto removed = co_await gather(std::move(removals));
  SBX_CO_CHECK(all_succeeded(removed));
  SBX_CO_CHECK(co_await forget_guests(entry));
  // The root holds the namespaces of the others and goes last.
  if (entry->record.pod_key.empty()) co_return Result<void>();
  co_return co_await aio::shield(core_.ports.runtime.remove(entry->record.pod_key));
}

Task<Result<void>> Remover::forget_guests(EntryPtr entry) {
  const std::vector<model::NodeContainer> containers = entry->record.containers;
  for (const auto& container : containers) {
    if (has_agent(core_, *entry)) SBX_CO_CHECK(co_await aio::shield(core_.ports.guests->forget(container.key)));
  }
  co_return Result<void>();
}

Task<Result<void>> Remover::end_task(EntryPtr entry, std::string key) {
  auto ended = co_await aio::shield(core_.ports.runtime.end_task(key));
  if (!ended) co_return ended.error();
  if (*ended && !entry->redoing) entry->exits.emplace(key, **ended);
  co_return Result<void>();
}

Task<Result<void>> Remover::end_tasks(EntryPtr entry) {
  std::vector<Task<Result<void>>> ends;
  for (const auto& container : entry->record.containers) ends.push_back(end_task(entry, container.key));
  auto ended = co_await gather(std::move(ends));
  SBX_CO_CHECK(all_succeeded(ended));
  if (entry->record.pod_key.empty()) co_return Result<void>();
  co_return co_await end_task(entry, entry->record.pod_key);
}

Task<Result<void>> Remover::remove_network(EntryPtr entry) {
  if (entry->record.slot.empty()) co_return Result<void>();
  co_return co_await aio::shield(core_.ports.network.destroy_slot(entry->record.slot));
}

Task<Result<void>> Remover::remove_files(EntryPtr entry) {
  if (core_.ports.files == nullptr || keeps_files(entry->record)) co_return Result<void>();
  co_return co_await aio::shield(core_.ports.files->remove(entry->id()));
}

Task<Result<void>> Remover::remove_output(EntryPtr entry) {
  co_return co_await aio::shield(core_.ports.output.remove(entry->id()));
}

Task<Result<void>> Remover::remove_commands(EntryPtr entry) {
  if (core_.ports.commands == nullptr) co_return Result<void>();
  co_return co_await aio::shield(core_.ports.commands->erase_sandbox(entry->id()));
}

Task<Result<void>> Remover::bury(EntryPtr entry) {
  co_return co_await core_.table.bury({entry->id(), entry->record.uid, core_.ports.clock.wall_now()});
}

Task<void> Remover::insist(EntryPtr entry, const char* what, Task<Result<void>> (Remover::*step)(EntryPtr)) {
  Duration pause = kPauseMin;
  for (;;) {
    Result<void> done;
    try {
      done = co_await (this->*step)(entry);
    } catch (const boost::system::system_error& error) {
      if (error.code() == boost::asio::error::operation_aborted) throw;
      done = Error(ErrorCode::runtime_failed, error.what());
    } catch (const std::exception& error) {
      done =
          Error(ErrorCode::runtime_failed, error.what());  // a clean-up that ended here would never be taken up again
    }
    if (done) co_return;
    kLog.warn("clean-up step failed, will be repeated",
              {{"sandbox", entry->id().str()}, {"step", what}, {"error", done.error().message()}});
    co_await core_.ports.clock.sleep_for(pause);
    pause = std::min(pause * 2, kPauseMax);
  }
}

Task<void> Remover::take_down(EntryPtr entry) {
  const auto permit = co_await entry->tearing_down.acquire();
  const SandboxId id = entry->id();
  co_await insist(entry, "close ports", &Remover::close_ports);
  core_.reached(step::kUnpublished, id);
  co_await insist(entry, "remove containers", &Remover::remove_containers);
  core_.reached(step::kContainersRemoved, id);
  co_await insist(entry, "remove network", &Remover::remove_network);
  core_.reached(step::kSlotDestroyed, id);
  co_await insist(entry, "remove files", &Remover::remove_files);
}

Task<Result<void>> Remover::take_down_once(EntryPtr entry) {
  const auto permit = co_await entry->tearing_down.acquire();
  SBX_CO_CHECK(co_await clear(entry));
  co_return co_await remove_files(entry);
}

Task<Result<void>> Remover::clear(EntryPtr entry) {
  SBX_CO_CHECK(co_await close_ports(entry));
  SBX_CO_CHECK(co_await remove_containers(entry));
  co_return co_await remove_network(entry);
}

Task<void> Remover::release_in_background(EntryPtr entry) {
  co_await take_down(entry);
  const std::vector<model::NodeContainer> containers = entry->record.containers;
  for (const auto& container : containers) {
    if (entry->record.phase == model::Phase::deleting) break;
    auto drained = co_await core_.ports.output.drain(entry->id(), container.name);
    if (!drained)
      kLog.warn("output not drained", {{"sandbox", entry->id().str()}, {"error", drained.error().message()}});
  }
  core_.table.release(*entry);
}

// Durable before anything is taken down or told: a restart that knew nothing of it would bring back what has ended.
// While the disk refuses, the sandbox counts as it did. False: a delete took over.
Task<bool> Remover::record_end(EntryPtr entry, End end) {
  Duration pause = kPauseMin;
  for (;;) {
    auto recorded = co_await core_.table.change(entry, [this, &end, &entry](model::NodeSandbox& record) {
      if (record.phase == model::Phase::deleting || record.phase == model::Phase::stopping) return false;
      // A start that failed leaves it as it was before: its files stay.
      if (record.phase == model::Phase::creating && record.started_at) record.desired = model::Desired::stopped;
      record.phase = end.phase;
      record.error = end.error;
      record.ip.clear();
      record.ended_at = core_.ports.clock.wall_now();
      mark_ended(record, *entry);
      return true;
    });
    if (recorded) co_return true;
    if (recorded.error().code() == ErrorCode::cancelled) co_return false;
    kLog.warn("end not saved", {{"sandbox", entry->id().str()}, {"error", recorded.error().message()}});
    co_await core_.ports.clock.sleep_for(pause);
    pause = std::min(pause * 2, kPauseMax);
  }
}

Task<void> Remover::finish(EntryPtr entry, End end) {
  co_await end_work(entry);
  if (end.error.size() > limits::kErrorTextMax) end.error.resize(limits::kErrorTextMax);
  kLog.info("sandbox ended",
            {{"sandbox", entry->id().str()}, {"phase", model::to_string(end.phase)}, {"error", end.error}});
  const bool recorded = co_await record_end(entry, end);
  if (!recorded) co_return;
  core_.tasks.spawn("release", release_in_background(entry));
  // Watchers hear of it when the resources are free, so that whoever reacts finds them free; but they do hear of it.
  auto released =
      co_await aio::with_deadline(core_.ports.clock, core_.options.release_limit, wait_released(entry), "release");
  if (!released) kLog.warn("sandbox not released yet", {{"sandbox", entry->id().str()}});
  co_await explain_late(entry);
  if (entry->record.phase == end.phase) core_.announce(*entry);
  core_.pool.poke();
}

// The kernel's word about memory may arrive after the exit that it caused.
Task<void> Remover::explain_late(EntryPtr entry) {
  const std::string text = out_of_memory_text(*entry);
  if (text.empty() || entry->record.error == text) co_return;
  auto explained = co_await core_.table.observe(entry, [&text, &entry](model::NodeSandbox& record) {
    if (record.phase != model::Phase::failed) return false;
    record.error = text;
    mark_ended(record, *entry);
    return true;
  });
  if (!explained)
    kLog.warn("cause not saved", {{"sandbox", entry->id().str()}, {"error", explained.error().message()}});
}

Task<Result<void>> Remover::begin_erasing(EntryPtr entry) {
  SBX_CO_CHECK(co_await core_.table.change(entry, [](model::NodeSandbox& record) {
    if (record.phase == model::Phase::deleting) return false;
    record.phase = model::Phase::deleting;
    return true;
  }));
  core_.reached(step::kDeleteMarked, entry->id());
  core_.announce(*entry);
  core_.tasks.spawn("delete", erase(entry));
  co_return Result<void>();
}

Task<void> Remover::erase(EntryPtr entry) {
  co_await end_work(entry);
  co_await take_down(entry);
  core_.table.release(*entry);
  co_await insist(entry, "remove output", &Remover::remove_output);
  co_await insist(entry, "remove commands", &Remover::remove_commands);
  core_.reached(step::kOutputRemoved, entry->id());
  co_await insist(entry, "erase record", &Remover::bury);
  core_.table.erase(entry);
  core_.announce_gone(entry->id(), entry->record.uid);
  core_.reached(step::kErased, entry->id());
  core_.pool.poke();
}

}  // namespace sandboxd::node
