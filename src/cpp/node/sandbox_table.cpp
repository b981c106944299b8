#include "node/sandbox_table.hpp"

#include "aio/shield.hpp"
#include "base/assert.hpp"
#include "base/log.hpp"

#include <utility>
#include <vector>

namespace sandboxd::node {
namespace {

constexpr Log kLog("node");

}  // namespace

Task<void> end_work(EntryPtr entry) {
  const auto work = entry->work;
  work->cancel();
  co_await work->join();
}

void begin_life(Entry& entry) {
  entry.work = std::make_shared<aio::TaskGroup>(entry.executor);
  entry.exits.clear();
  entry.out_of_memory.clear();
  entry.pids.clear();
  entry.pipes.clear();
  entry.images.clear();
  entry.awaited_images.clear();
  entry.restarts = {};
  entry.obstacle.clear();
  entry.slot = {};
  entry.started = false;
  entry.redoing = true;
  entry.ending = false;
  entry.end_sightings = 0;
}

void begin_again(model::NodeContainer& container) {
  container.phase = model::ContainerPhase::creating;
  container.error.clear();
  container.task_status.clear();
  container.pid = 0;
  container.exit_code.reset();
}

SandboxTable::SandboxTable(boost::asio::any_io_executor executor, ports::Clock& clock, ports::NodeStore& store)
    : executor_(std::move(executor)), clock_(clock), store_(store) {}

EntryPtr SandboxTable::find(const SandboxId& id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : found->second;
}

EntryPtr SandboxTable::find_by_container(const std::string& key) const {
  const auto found = containers_.find(key);
  return found == containers_.end() ? nullptr : found->second;
}

bool SandboxTable::has_container_with(const std::string& prefix) const {
  const auto at = containers_.lower_bound(prefix);
  return at != containers_.end() && at->first.starts_with(prefix);
}

const EntryPtr* SandboxTable::port_holder(PortKey port) const {
  const auto found = ports_.find(port);
  return found == ports_.end() ? nullptr : &found->second;
}

EntryPtr SandboxTable::insert(model::NodeSandbox record, bool holds) {
  auto entry = std::make_shared<Entry>(executor_);
  entry->record = std::move(record);
  entry->order = entry->record.order;
  entry->own_wish = entry->record.own_wish;
  entry->holds = false;
  const bool inserted = entries_.emplace(entry->id(), entry).second;
  SBX_ASSERT(inserted);
  index(entry, true);
  if (holds) hold(entry);
  return entry;
}

void SandboxTable::hold(const EntryPtr& entry) {
  if (entry->holds) return;
  entry->holds = true;
  usage_.cpu_milli += model::total_request_cpu_milli(entry->record.spec);
  usage_.memory_bytes += model::total_request_memory_bytes(entry->record.spec);
  usage_.addresses += 1;
  for (const auto& port : entry->record.ports) ports_[{port.host_port, port.protocol}] = entry;
}

void SandboxTable::index(const EntryPtr& entry, bool add) {
  const auto set = [&](const std::string& key) {
    if (key.empty()) return;
    if (add) {
      containers_[key] = entry;
    } else {
      containers_.erase(key);
    }
  };
  set(entry->record.pod_key);
  for (const auto& container : entry->record.containers) set(container.key);
  if (entry->record.slot.empty()) return;
  if (add) {
    slots_.insert(entry->record.slot);
  } else {
    slots_.erase(entry->record.slot);
  }
}

void SandboxTable::release(Entry& entry) {
  if (!entry.holds) return;
  entry.holds = false;
  usage_.cpu_milli -= model::total_request_cpu_milli(entry.record.spec);
  usage_.memory_bytes -= model::total_request_memory_bytes(entry.record.spec);
  usage_.addresses -= 1;
  SBX_ASSERT(usage_.addresses >= 0);
  for (const auto& port : entry.record.ports) {
    const auto held = ports_.find({port.host_port, port.protocol});
    if (held != ports_.end() && held->second.get() == &entry) ports_.erase(held);
  }
  entry.changed.notify();
}

void SandboxTable::erase(const EntryPtr& entry) {
  release(*entry);
  index(entry, false);
  entries_.erase(entry->id());
  entry->gone = true;
  end_log_follows(*entry);
  entry->changed.notify();
}

Task<Result<void>> SandboxTable::change(EntryPtr entry, Edit edit) {
  co_return co_await write(std::move(entry), std::move(edit), false);
}

Task<Result<void>> SandboxTable::observe(EntryPtr entry, Edit edit) {
  co_return co_await write(std::move(entry), std::move(edit), true);
}

Task<Result<void>> SandboxTable::write(EntryPtr entry, Edit edit, bool visible_anyhow) {
  const auto permit = co_await entry->writing.acquire();
  model::NodeSandbox next = entry->record;
  if (entry->gone || !edit(next)) co_return Error(ErrorCode::cancelled, "the sandbox is being deleted");
  next.updated_at = clock_.wall_now();
  next.order = entry->order;
  next.own_wish = entry->own_wish;
  // Shielded: whether a write that was given up reached the disk could not be known.
  auto put = co_await aio::shield(store_.put(next));
  if (put || visible_anyhow) {
    // A restart gives containers new keys. An entry that left the table meanwhile has none in it.
    if (!entry->gone) index(entry, false);
    entry->record = std::move(next);
    entry->shown = {};
    if (!entry->gone) index(entry, true);
    entry->unsaved = !put;
  }
  co_return put;
}

Task<void> SandboxTable::save_pending() {
  std::vector<EntryPtr> pending;
  for (const auto& [id, entry] : entries_) {
    if (entry->unsaved) pending.push_back(entry);
  }
  for (const auto& entry : pending) {
    auto saved = co_await observe(entry, [](model::NodeSandbox&) { return true; });
    if (!saved) kLog.warn("record not saved", {{"sandbox", entry->id().str()}, {"error", saved.error().message()}});
  }
}

void SandboxTable::remember(const ports::Tombstone& tombstone) {
  if (!tombstone.uid.empty()) tombstones_[tombstone.uid] = tombstone.deleted_at;
}

Task<Result<void>> SandboxTable::bury(ports::Tombstone tombstone) {
  auto erased = co_await aio::shield(store_.erase(tombstone));
  if (erased) remember(tombstone);
  co_return erased;
}

Task<void> SandboxTable::forget_tombstones(Duration older_than) {
  const WallTime before = clock_.wall_now() + -older_than;
  const auto removed = std::erase_if(tombstones_, [&](const auto& item) { return item.second < before; });
  if (removed == 0) co_return;
  auto forgotten = co_await store_.forget_tombstones(before);
  if (!forgotten) kLog.warn("tombstones kept", {{"error", forgotten.error().message()}});
}

}  // namespace sandboxd::node
