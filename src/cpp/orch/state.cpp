#include "orch/state.hpp"

#include "base/assert.hpp"

#include <algorithm>

namespace sandboxd::orch {
namespace {

const std::set<SandboxId> kNone;
constexpr std::int64_t kDiskStep = std::int64_t{64} << 20;

// CPU and memory are held by what may run. Host ports are held for as long as the record lists them on a node, since
// whatever is left there may still answer on them.
std::optional<sched::Reservation> reservation_of(const model::Sandbox& sandbox) {
  if (sandbox.node.empty()) return std::nullopt;
  sched::Reservation out;
  if (model::holds_resources(sandbox)) {
    out.cpu_milli = model::total_request_cpu_milli(sandbox.spec);
    out.memory_bytes = model::total_request_memory_bytes(sandbox.spec);
    out.disk_bytes = sched::disk_bytes_of(sandbox.spec);
    out.group = sched::group_of(sandbox);
  }
  for (const model::PublishedPort& port : sandbox.ports) out.ports.push_back(port.host_port);
  return out;
}

bool is_on_its_way(model::Phase phase) {
  return phase == model::Phase::pending || phase == model::Phase::scheduled || phase == model::Phase::creating;
}

// When the time to live would still change something.
std::optional<WallTime> end_of_life(const model::Sandbox& sandbox) {
  using model::Phase;
  if (!sandbox.expires_at || sandbox.phase == Phase::deleting) return std::nullopt;
  const bool at_rest =
      sandbox.phase == Phase::stopping || sandbox.phase == Phase::stopped || sandbox.phase == Phase::failed;
  if (at_rest && sandbox.spec.on_expiry == model::OnExpiry::stop) return std::nullopt;
  return sandbox.expires_at;
}

// What facts_of() would not tell apart, without copying texts: heartbeats come by the thousand.
bool is_same_to_scheduler(const model::Node& a, const model::Node& b) {
  return a.state == b.state && a.unschedulable == b.unschedulable && a.removing == b.removing &&
         a.resources.allocatable_cpu_milli == b.resources.allocatable_cpu_milli &&
         a.resources.allocatable_memory_bytes == b.resources.allocatable_memory_bytes &&
         a.resources.disk_capacity_bytes == b.resources.disk_capacity_bytes &&
         a.resources.disk_free_bytes / kDiskStep == b.resources.disk_free_bytes / kDiskStep && a.labels == b.labels &&
         a.images == b.images;
}

}  // namespace

std::optional<WallTime> State::expiry_of(const model::Sandbox& sandbox) const {
  const auto end = end_of_life(sandbox);
  if (sandbox.phase != model::Phase::failed || failed_retention_.count() == 0 || is_stand_in(sandbox)) return end;
  // Nothing changes a failed one any more, so its last change is its failure.
  const WallTime kept_until = sandbox.updated_at + failed_retention_;
  return end && *end < kept_until ? *end : kept_until;
}

void State::note_damage(const ports::StoreContents& contents) {
  std::set<std::string> sandboxes;
  for (const ports::DamagedRecord& record : contents.damaged) {
    if (record.kind == "nodes") damaged_.nodes.emplace(record.key);
    if (record.kind == "sandboxes") sandboxes.insert(record.key);
  }
  if (sandboxes.empty()) return;
  for (const model::Sandbox& sandbox : contents.sandboxes) {
    if (sandboxes.contains(sandbox.id.str())) damaged_.lives.emplace(sandbox.id, sandbox.uid);
  }
  damaged_.nameless = sandboxes.size() - damaged_.lives.size();
}

bool State::is_stand_in(const model::Sandbox& sandbox) const {
  const auto found = damaged_.lives.find(sandbox.id);
  return found != damaged_.lives.end() && found->second == sandbox.uid;
}

std::size_t State::damaged_sandboxes() const {
  const auto is_here = [this](const auto& life) {
    const SandboxRef sandbox = find(life.first);
    return sandbox && sandbox->uid == life.second;
  };
  return damaged_.nameless + static_cast<std::size_t>(std::ranges::count_if(damaged_.lives, is_here));
}

std::size_t State::damaged_nodes() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(damaged_.nodes, [this](const NodeId& id) { return nodes_.contains(id); }));
}

void State::load(ports::StoreContents contents, WallTime wall, MonoTime mono) {
  wall_ = wall;
  mono_ = mono;
  note_damage(contents);
  revision_ = contents.revision;
  for (model::Node& node : contents.nodes) {
    const NodeId id = node.id;
    replace_node(id, std::make_shared<const model::Node>(std::move(node)));
  }
  for (model::Sandbox& sandbox : contents.sandboxes) {
    const SandboxId id = sandbox.id;
    // A later life has waited since its start was asked for, not since the first one was.
    const WallTime since = sandbox.ended_at ? sandbox.updated_at : sandbox.created_at;
    const Duration waited = std::max(wall - since, Duration::zero());
    if (is_on_its_way(sandbox.phase)) waits_.begin({sandbox.created_at, id}, mono + -waited);
    replace(id, std::make_shared<const model::Sandbox>(std::move(sandbox)), false);
  }
  answers_.load(std::move(contents.answers));
}

SandboxRef State::find(const SandboxId& id) const {
  const auto found = sandboxes_.find(id);
  return found == sandboxes_.end() ? nullptr : found->second;
}

NodeRef State::find_node(const NodeId& id) const {
  const auto found = nodes_.find(id);
  return found == nodes_.end() ? nullptr : found->second;
}

const std::set<SandboxId>& State::on_node(const NodeId& id) const {
  const auto found = on_node_.find(id);
  return found == on_node_.end() ? kNone : found->second;
}

State::Promised State::promised_on(const NodeId& id) const {
  const auto found = promised_.find(id);
  return found == promised_.end() ? Promised() : found->second;
}

SandboxRef State::find_named(const std::string& owner, const std::string& name) const {
  const auto found = names_.find({owner, name});
  return found == names_.end() ? nullptr : find(found->second);
}

bool State::name_taken(const std::string& owner, const std::string& name) const {
  return names_.contains({owner, name});
}

std::optional<std::pair<WallTime, SandboxId>> State::next_expiry() const {
  if (expiries_.empty()) return std::nullopt;
  return *expiries_.begin();
}

MonoTime State::waits_since(const model::Sandbox& sandbox) const {
  return waits_.since({sandbox.created_at, sandbox.id});
}

std::size_t State::count(model::Phase phase) const {
  const auto found = phases_.find(phase);
  return found == phases_.end() ? 0 : found->second;
}

bool State::is_confirmed(const NodeId& id) const { return confirmed_.contains(id); }

void State::confirm(const NodeId& id) {
  if (!confirmed_.insert(id).second) return;
  const NodeRef node = find_node(id);
  if (node) cluster_.upsert(id, facts_of(*node));
}

void State::set_foreign(const NodeId& id, sched::Reservation foreign) {
  const auto known = foreign_.find(id);
  const bool is_nothing = foreign == sched::Reservation();
  if (known == foreign_.end() ? is_nothing : known->second == foreign) return;
  if (is_nothing) {
    foreign_.erase(known);
  } else {
    foreign_[id] = std::move(foreign);
  }
  if (const NodeRef node = find_node(id)) cluster_.upsert(id, facts_of(*node));
}

sched::NodeFacts State::facts_of(const model::Node& node) const {
  sched::NodeFacts facts;
  facts.ready = node.state == model::NodeState::ready && confirmed_.contains(node.id);
  facts.cordoned = node.unschedulable || node.removing;
  facts.labels = node.labels;
  facts.allocatable_cpu_milli = node.resources.allocatable_cpu_milli;
  facts.allocatable_memory_bytes = node.resources.allocatable_memory_bytes;
  if (const auto found = foreign_.find(node.id); found != foreign_.end()) {
    facts.allocatable_cpu_milli -= found->second.cpu_milli;
    facts.allocatable_memory_bytes -= found->second.memory_bytes;
  }
  facts.allocatable_disk_bytes = node.resources.disk_capacity_bytes;
  // In coarse steps: what a disk has free moves with every report, and each change makes those who wait try again.
  facts.unused_disk_bytes = node.resources.disk_free_bytes / kDiskStep * kDiskStep;
  facts.images = node.images;
  return facts;
}

void State::begin(WallTime wall, MonoTime mono) {
  SBX_ASSERT(events_.empty() && effects_.empty());
  wall_ = wall;
  mono_ = mono;
  revision_before_ = revision_;
}

SandboxRef State::put(model::Sandbox sandbox) {
  sandbox.revision = ++revision_;
  sandbox.updated_at = wall_;
  auto version = std::make_shared<const model::Sandbox>(std::move(sandbox));
  before_.try_emplace(version->id, find(version->id));
  replace(version->id, version, true);
  WatchEvent event;
  event.revision = revision_;
  event.kind = WatchKind::sandbox_put;
  event.sandbox = version;
  events_.push_back(std::move(event));
  return version;
}

void State::erase(const SandboxId& id) {
  const SandboxRef last = find(id);
  SBX_ASSERT(last);
  before_.try_emplace(id, last);
  replace(last->id, nullptr, true);
  WatchEvent event;
  event.revision = ++revision_;
  event.kind = WatchKind::sandbox_gone;
  event.sandbox = last;
  events_.push_back(std::move(event));
}

NodeRef State::put_node(model::Node node) {
  node.revision = ++revision_;
  auto version = std::make_shared<const model::Node>(std::move(node));
  nodes_before_.try_emplace(version->id, find_node(version->id));
  replace_node(version->id, version);
  WatchEvent event;
  event.revision = revision_;
  event.kind = WatchKind::node_put;
  event.node = version;
  events_.push_back(std::move(event));
  return version;
}

void State::erase_node(const NodeId& id) {
  const NodeRef last = find_node(id);
  SBX_ASSERT(last);
  nodes_before_.try_emplace(id, last);
  confirmed_.erase(last->id);
  foreign_.erase(last->id);
  replace_node(last->id, nullptr);
  WatchEvent event;
  event.revision = ++revision_;
  event.kind = WatchKind::node_gone;
  event.node = last;
  events_.push_back(std::move(event));
}

void State::touch_node(model::Node node) {
  auto version = std::make_shared<const model::Node>(std::move(node));
  replace_node(version->id, version);
}

// Puts one version in the place of another, in the map and in everything derived from it.
void State::replace(const SandboxId& id, SandboxRef after, bool quarantine) {
  const SandboxRef before = find(id);
  const bool keeps_name = before && after && before->owner == after->owner && before->name == after->name;
  if (before) {
    --phases_[before->phase];
    if (!after || after->created_at != before->created_at) by_age_.erase({before->created_at, id});
    if (!keeps_name) forget_name(*before);
    if (const auto expiry = expiry_of(*before)) expiries_.erase({*expiry, id});
  }
  if (after) {
    by_age_[{after->created_at, id}] = after;
    ++phases_[after->phase];
    if (!keeps_name) names_[{after->owner, after->name}] = id;
    if (const auto expiry = expiry_of(*after)) expiries_.emplace(*expiry, id);
  }
  replace_wait(before.get(), after.get());
  replace_reservation(before.get(), after.get(), quarantine);
  if (after) {
    sandboxes_[after->id] = after;
  } else if (before) {
    sandboxes_.erase(before->id);
  }
}

void State::replace_wait(const model::Sandbox* before, const model::Sandbox* after) {
  if (before != nullptr && before->phase == model::Phase::pending) {
    queue_.remove(before->owner, waits_since(*before), before->id);
  }
  const bool was_on_its_way = before != nullptr && is_on_its_way(before->phase);
  const bool is_now = after != nullptr && is_on_its_way(after->phase);
  if (was_on_its_way && !(is_now && after->created_at == before->created_at)) {
    waits_.end({before->created_at, before->id});
  }
  if (is_now) waits_.begin({after->created_at, after->id}, mono_);
  if (after != nullptr && after->phase == model::Phase::pending) {
    queue_.add(after->owner, waits_since(*after), after->id);
  }
}

// Another one may have it by now: an undo puts versions back one by one.
void State::forget_name(const model::Sandbox& sandbox) {
  const auto name = names_.find({sandbox.owner, sandbox.name});
  if (name != names_.end() && name->second == sandbox.id) names_.erase(name);
}

void State::replace_reservation(const model::Sandbox* before, const model::Sandbox* after, bool quarantine) {
  const auto held = before != nullptr ? reservation_of(*before) : std::nullopt;
  const auto wanted = after != nullptr ? reservation_of(*after) : std::nullopt;
  if (held && wanted && before->node == after->node && *held == *wanted) return;
  if (held) {
    cluster_.release(before->node, *held, mono_, quarantine);
    const auto there = on_node_.find(before->node);
    there->second.erase(before->id);
    const auto promised = promised_.find(before->node);
    promised->second.cpu_milli -= held->cpu_milli;
    promised->second.memory_bytes -= held->memory_bytes;
    if (there->second.empty()) {
      on_node_.erase(there);
      promised_.erase(promised);
    }
  }
  if (wanted) {
    // A port that only changed hands within one record leaves its quarantine here.
    cluster_.reserve(after->node, *wanted);
    on_node_[after->node].insert(after->id);
    Promised& promised = promised_[after->node];
    promised.cpu_milli += wanted->cpu_milli;
    promised.memory_bytes += wanted->memory_bytes;
  }
}

void State::replace_node(const NodeId& id, NodeRef after) {
  const NodeRef before = find_node(id);
  if (before) {
    const auto external = externals_.find(before->external_id);
    if (external != externals_.end() && external->second == before->id) externals_.erase(external);
  }
  if (after && !after->external_id.empty()) externals_[after->external_id] = after->id;
  if (!after) {
    if (before) {
      cluster_.erase(before->id);
      nodes_.erase(before->id);
    }
    return;
  }
  if (!before || !is_same_to_scheduler(*before, *after)) cluster_.upsert(after->id, facts_of(*after));
  nodes_[after->id] = std::move(after);
}

ports::StoreTransaction State::transaction() const {
  ports::StoreTransaction out;
  out.revision = revision_;
  // What is gone first: its name may have been taken in the same turn.
  for (const auto& [id, before] : nodes_before_) {
    if (before && !find_node(id)) out.changes.emplace_back(ports::EraseNode{id});
  }
  for (const auto& [id, before] : before_) {
    if (before && !find(id)) out.changes.emplace_back(ports::EraseSandbox{id});
  }
  for (const auto& [id, before] : nodes_before_) {
    if (const NodeRef now = find_node(id)) out.changes.emplace_back(ports::PutNode{*now});
  }
  for (const auto& [id, before] : before_) {
    if (SandboxRef now = find(id)) out.changes.emplace_back(ports::PutSandbox(std::move(now)));
  }
  answers_.add_changes(out.changes);
  return out;
}

Released State::accept() {
  Released out;
  out.events = std::exchange(events_, {});
  out.effects = std::exchange(effects_, {});
  before_.clear();
  nodes_before_.clear();
  answers_.accept();
  waits_.end_turn();
  return out;
}

void State::undo() {
  for (const auto& [id, version] : nodes_before_) replace_node(id, version);
  // Everything that this turn gave out is given back before anything is taken again: a name or a host port may have
  // gone from one sandbox to another.
  for (const auto& [id, version] : before_) {
    if (find(id)) replace(id, nullptr, false);
  }
  for (const auto& [id, version] : before_) {
    if (version) replace(id, version, false);
  }
  answers_.undo();
  waits_.end_turn();
  before_.clear();
  nodes_before_.clear();
  events_.clear();
  effects_.clear();
  revision_ = revision_before_;
}

}  // namespace sandboxd::orch
