#include "node/agent.hpp"

#include "aio/deadline.hpp"
#include "aio/shield.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "node/agent_impl.hpp"
#include "node/container_plan.hpp"
#include "node/image_policy.hpp"
#include "node/log_reader.hpp"
#include "node/privileges.hpp"

#include <algorithm>
#include <utility>

namespace sandboxd::node {
namespace {

constexpr Log kLog("node");
constexpr Duration kRuntimePoll = std::chrono::milliseconds(200);

Task<Result<void>> wait_gone(EntryPtr entry) {
  while (!entry->gone) co_await entry->changed.wait();
  co_return Result<void>();
}

Task<void> wait_accepted(EntryPtr entry) {
  while (!entry->accepted && !entry->gone) co_await entry->changed.wait();
}

}  // namespace

EntryPtr Agent::Impl::find(const SandboxId& id) const {
  EntryPtr entry = core_.table.find(id);
  return entry && entry->accepted ? entry : nullptr;
}

Result<EntryPtr> Agent::Impl::find_life(const SandboxId& id, const LifeAsk& ask) const {
  if (auto reason = degraded()) return *std::move(reason);
  EntryPtr entry = find(id);
  if (!entry || (!ask.uid.empty() && entry->record.uid != ask.uid)) return Error(ErrorCode::not_found, "not found");
  if (entry->stand_in) return Error(ErrorCode::storage_failed, "the record of sandbox " + id.str() + " is damaged");
  const bool is_late = ask.order < entry->order || (ask.order == entry->order && entry->own_wish);
  if (ask.order != 0 && is_late)
    return Error(ErrorCode::conflict, "a later wish about sandbox " + id.str() + " has come before this one")
        .with_reasons({"outdated"});
  return entry;
}

// The record gets it with what the wish changes, else by itself: a refused wish, too, makes earlier ones late.
Task<Result<void>> Agent::Impl::follow_wish(EntryPtr entry, LifeAsk ask, Task<Result<void>> work) {
  const bool had_own = entry->own_wish;
  entry->own_wish = ask.order == 0;
  if (ask.order != 0) entry->order = ask.order;
  auto done = co_await std::move(work);
  // One of our own that is refused is none.
  if (!done && ask.order == 0) entry->own_wish = had_own;
  const bool is_recorded = entry->record.order == entry->order && entry->record.own_wish == entry->own_wish;
  if (is_recorded || entry->gone) co_return done;
  auto noted = co_await core_.table.change(entry, [](model::NodeSandbox&) { return true; });
  if (!noted && done && noted.error().code() != ErrorCode::cancelled) co_return noted;
  co_return done;
}

Task<Result<model::NodeSandbox>> Agent::Impl::lead_to(model::Phase goal, SandboxId id, LifeAsk ask) {
  SBX_CO_TRY(entry, find_life(id, ask));
  SBX_CO_CHECK(co_await follow_wish(entry, ask, life_.lead_to(entry, goal, ask.grace)));
  if (ask.until == Until::gone) SBX_CO_CHECK(co_await life_.settled(entry, goal));
  co_return entry->record;
}

std::optional<Error> Agent::Impl::degraded() const {
  if (!core_.loaded) return Error(ErrorCode::unavailable, "the node agent is starting");
  if (core_.runtime_down) return core_.runtime_down;
  if (!core_.converged)
    return Error(ErrorCode::unavailable, "the node agent is comparing its records with the machine");
  return std::nullopt;
}

void Agent::Impl::take_records(ports::NodeStoreContents& contents) {
  for (auto& record : contents.sandboxes) {
    if (is_up(record.phase)) {
      // Those of earlier versions do not say.
      if (!record.started_at) record.started_at = record.created_at;
      for (std::size_t i = 0; i < record.spec.containers.size(); ++i) {
        const bool known = i < record.containers.size();
        core_.images.used(record.spec.containers[i].image, known ? record.containers[i].image_digest : std::string());
      }
    }
    const bool holds = record.phase != model::Phase::stopped && record.phase != model::Phase::failed;
    core_.table.insert(std::move(record), holds)->accepted = true;
  }
  for (const auto& tombstone : contents.tombstones) core_.table.remember(tombstone);
  for (const auto& damaged : contents.damaged) {
    const EntryPtr entry = core_.table.find(SandboxId(damaged.key));
    if (entry) entry->stand_in = true;
    if (!entry || entry->record.slot.empty()) core_.unsure = true;
  }
}

Task<Result<void>> Agent::Impl::start() {
  auto contents = co_await core_.ports.store.load();
  if (!contents) co_return contents.error();
  SBX_CO_CHECK(co_await core_.ports.network.start());
  SBX_CO_CHECK(co_await core_.ports.output.start());
  core_.capacity.usable_addresses = core_.ports.network.usable_addresses();
  core_.capacity.subnet = core_.ports.network.subnet();
  take_records(*contents);
  core_.loaded = true;
  core_.reported = core_.table.usage();
  SBX_CO_CHECK(co_await commands_.start());
  commands_.follow();

  const MonoTime give_up = core_.ports.clock.mono_now() + core_.options.runtime_wait;
  for (;;) {
    auto looked = co_await caretaker_.look();
    if (looked) break;
    if (core_.ports.clock.mono_now() >= give_up) {
      kLog.warn("started without the container runtime", {{"error", looked.error().message()}});
      break;
    }
    co_await core_.ports.clock.sleep_for(kRuntimePoll);
  }
  core_.tasks.spawn("runtime events", caretaker_.follow_runtime());
  core_.tasks.spawn("patrol", caretaker_.patrol());
  core_.tasks.spawn("reports", report_regularly());
  core_.tasks.spawn("image collector", image_collector_.run());
  core_.pool.start();
  co_return Result<void>();
}

Task<void> Agent::Impl::stop() {
  core_.stopping = true;
  core_.hub.close();
  core_.tasks.cancel();
  std::vector<EntryPtr> entries;
  for (const auto& [id, entry] : core_.table.entries()) entries.push_back(entry);
  for (const auto& entry : entries) entry->work->cancel();
  co_await core_.pool.stop();
  for (const auto& entry : entries) co_await end_work(entry);
  co_await core_.tasks.join();
}

Task<void> Agent::Impl::report_regularly() {
  for (;;) {
    co_await core_.ports.clock.sleep_for(core_.options.config.report_interval);
    core_.announce_report();
  }
}

SandboxId Agent::Impl::draw_id() {
  const std::string prefix = "sbx-" + compact_time(core_.ports.clock.wall_now()) + "-";
  for (;;) {
    SandboxId id(prefix + core_.random.hex(6));
    if (!core_.table.find(id)) return id;
  }
}

Result<void> Agent::Impl::check_request(const model::NodeCreateRequest& request) const {
  if (!model::is_valid_name(request.id.str(), limits::kSandboxIdLengthMax))
    return Error(ErrorCode::invalid_argument, "id contains unsupported characters");
  SBX_CHECK(model::validate_spec(request.spec));
  const std::string& runtime = request.spec.runtime;
  if (!runtime.empty() && runtime != "runsc" && runtime != "runc")
    return Error(ErrorCode::invalid_argument, "unknown runtime: " + runtime + " (runsc and runc are available)");
  SBX_CHECK(check_images(core_.options.config.image_policy, request.spec));
  if (core_.table.is_tombstoned(request.uid))
    return Error(ErrorCode::conflict, "sandbox " + request.id.str() + " was deleted: this create comes too late");
  return {};
}

// A record: this very create was accepted before. Nothing: the id is free.
Task<Result<std::optional<model::NodeSandbox>>> Agent::Impl::settle_with_existing(SandboxId id, std::string uid) {
  for (;;) {
    EntryPtr existing = core_.table.find(id);
    if (!existing) co_return std::optional<model::NodeSandbox>();
    const bool deleting = existing->record.phase == model::Phase::deleting;
    if (existing->record.uid == uid) {
      if (deleting) co_return Error(ErrorCode::conflict, "sandbox " + id.str() + " is being deleted");
      co_await wait_accepted(existing);
      if (existing->accepted) co_return std::optional(existing->record);
      continue;
    }
    if (!deleting) co_return Error(ErrorCode::already_exists, "sandbox already exists: " + id.str());
    auto gone =
        co_await aio::with_deadline(core_.ports.clock, core_.options.remove_wait, wait_gone(existing), "delete");
    if (!gone) co_return Error(ErrorCode::already_exists, "sandbox already exists: " + id.str());
  }
}

Task<Result<model::NodeSandbox>> Agent::Impl::create(model::NodeCreateRequest request) {
  if (auto reason = degraded()) co_return *std::move(reason);
  if (request.id.empty()) request.id = draw_id();
  if (request.uid.empty()) request.uid = core_.random.hex(32);
  SBX_CO_CHECK(check_request(request));
  SBX_CO_TRY(existing, co_await settle_with_existing(request.id, request.uid));
  if (existing) co_return *std::move(existing);
  // The waiting above may have taken a while.
  SBX_CO_CHECK(check_request(request));
  SBX_CO_CHECK(check_privileges(core_.options.config, request.spec));
  SBX_CO_CHECK(admit(request, core_.table, core_.capacity));
  if (core_.ports.disk != nullptr) {
    const auto space = core_.ports.disk->read();
    if (space) SBX_CO_CHECK(admit_storage(request.spec, core_.options.config.default_ephemeral_storage, *space));
  }

  model::NodeSandbox record = plan_sandbox(core_.options.config, std::move(request), core_.ports.clock.wall_now());
  if (core_.table.has_container_with(key_prefix(core_.options.config.instance, record.uid)))
    co_return Error(ErrorCode::conflict, "sandbox " + record.id.str() + ": another sandbox has this uid");
  // Claimed by the durable record, together with every other name.
  const std::optional<ports::NetworkSlot> slot = core_.pool.take();
  record.slot = slot ? slot->name : core_.pool.new_name();
  const EntryPtr entry = core_.table.insert(std::move(record), true);
  if (slot) entry->slot = *slot;
  // Shielded: a caller that goes away leaves a sandbox or none, never half an entry.
  auto accepted = co_await aio::shield(accept(entry));
  if (accepted) co_return entry->record;
  if (slot) core_.pool.give_back(*slot);
  co_return accepted.error();
}

Task<Result<void>> Agent::Impl::accept(EntryPtr entry) {
  Result<void> accepted;
  const std::vector<model::PublishedPort> ports = entry->record.ports;
  for (const auto& port : ports) {
    accepted = co_await core_.ports.network.check_port_free(port.host_port, port.protocol);
    if (!accepted) break;
  }
  if (accepted) accepted = co_await core_.table.change(entry, [](model::NodeSandbox&) { return true; });
  if (!accepted) {
    core_.table.erase(entry);
    co_return accepted;
  }
  entry->accepted = true;
  entry->changed.notify();
  core_.reached(step::kAccepted, entry->id());
  kLog.info("sandbox accepted", {{"sandbox", entry->id().str()}});
  core_.announce(*entry);
  provisioner_.begin(entry, Provisioner::From::nothing);
  co_return accepted;
}

Task<Result<void>> Agent::Impl::remove_unknown(SandboxId id, std::string uid) {
  if (uid.empty() || core_.table.is_tombstoned(uid)) co_return Result<void>();
  const ports::Tombstone tombstone{id, uid, core_.ports.clock.wall_now()};
  // The create of that life may still be under way to us.
  if (!core_.table.find(id)) co_return co_await core_.table.bury(tombstone);
  core_.table.remember(tombstone);
  co_return Result<void>();
}

Task<Result<void>> Agent::Impl::remove(SandboxId id, std::string uid, Until until) {
  if (!core_.loaded) co_return Error(ErrorCode::unavailable, "the node agent is starting");
  EntryPtr entry = core_.table.find(id);
  if (entry) co_await wait_accepted(entry);
  if (!entry || entry->gone || (!uid.empty() && entry->record.uid != uid))
    co_return co_await remove_unknown(std::move(id), std::move(uid));
  if (entry->record.phase != model::Phase::deleting) {
    auto begun = co_await remover_.begin_erasing(entry);
    if (!begun && begun.error().code() != ErrorCode::cancelled) co_return begun.error();
  }
  if (until == Until::recorded) co_return Result<void>();
  auto gone = co_await aio::with_deadline(core_.ports.clock, core_.options.remove_wait, wait_gone(entry), "delete");
  if (!gone) kLog.warn("deletion goes on in the background", {{"sandbox", entry->id().str()}});
  co_return Result<void>();
}

Task<Result<std::vector<std::string>>> Agent::Impl::log(SandboxId id, std::string container) {
  const EntryPtr entry = find(id);
  if (!entry) co_return Error(ErrorCode::not_found, "not found");
  const auto& containers = entry->record.containers;
  const bool known =
      std::any_of(containers.begin(), containers.end(), [&](const auto& c) { return c.name == container; });
  if (!known) co_return Error(ErrorCode::not_found, "no container " + container);
  auto lines = co_await core_.ports.output.read(id, container);
  if (!lines && lines.error().code() == ErrorCode::not_found) co_return std::vector<std::string>();
  co_return lines;
}

Result<std::unique_ptr<ports::OutputReader>> Agent::Impl::follow_log(const SandboxId& id,
                                                                     const std::string& container) {
  const EntryPtr entry = find(id);
  if (!entry) return Error(ErrorCode::not_found, "not found");
  std::vector<std::string> containers;
  for (const auto& known : entry->record.containers) {
    if (container.empty() || known.name == container) containers.push_back(known.name);
  }
  if (containers.empty()) return Error(ErrorCode::not_found, "no container " + container);
  return follow_entry(entry, core_.ports.output, std::move(containers));
}

Result<std::unique_ptr<ports::NodeWatch>> Agent::Impl::subscribe() {
  if (!core_.loaded) return Error(ErrorCode::unavailable, "the node agent is starting");
  std::vector<ports::NodeEvent> first;
  first.emplace_back(core_.report());
  for (const auto& [id, entry] : core_.table.entries()) {
    if (entry->accepted) first.emplace_back(model::status_of(entry->record));
  }
  first.emplace_back(ports::NodeSnapshotEnd{});
  return core_.hub.subscribe(std::move(first));
}

}  // namespace sandboxd::node
