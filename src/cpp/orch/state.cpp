#include "orch/state.hpp"

#include "base/assert.hpp"

namespace sandboxd::orch {
namespace {

const std::set<SandboxId> kNone;

// CPU and memory are held by what may run. Host ports are held for as long as the record lists them on a node, since
// whatever is left there may still answer on them.
std::optional<sched::Reservation> reservation_of(const model::Sandbox& sandbox) {
  if (sandbox.node.empty()) return std::nullopt;
  sched::Reservation out;
  if (model::holds_resources(sandbox)) {
    out.cpu_milli = model::total_request_cpu_milli(sandbox.spec);
    out.memory_bytes = model::total_request_memory_bytes(sandbox.spec);
  }
  for (const model::PublishedPort& port : sandbox.ports) out.ports.push_back(port.host_port);
  return out;
}

// When an expiry would still change something.
std::optional<WallTime> expiry_of(const model::Sandbox& sandbox) {
  using model::Phase;
  if (!sandbox.expires_at || sandbox.phase == Phase::deleting) return std::nullopt;
  const bool at_rest =
      sandbox.phase == Phase::stopping || sandbox.phase == Phase::stopped || sandbox.phase == Phase::failed;
  if (at_rest && sandbox.spec.on_expiry == model::OnExpiry::stop) return std::nullopt;
  return sandbox.expires_at;
}

}  // namespace

void State::load(ports::StoreContents contents, MonoTime now) {
  mono_ = now;
  revision_ = contents.revision;
  for (model::Node& node : contents.nodes) {
    const NodeId id = node.id;
    replace_node(id, std::make_shared<const model::Node>(std::move(node)));
  }
  for (model::Sandbox& sandbox : contents.sandboxes) {
    const SandboxId id = sandbox.id;
    replace(id, std::make_shared<const model::Sandbox>(std::move(sandbox)), false);
  }
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

bool State::name_taken(const std::string& owner, const std::string& name) const {
  return names_.contains({owner, name});
}

std::optional<std::pair<WallTime, SandboxId>> State::next_expiry() const {
  if (expiries_.empty()) return std::nullopt;
  return *expiries_.begin();
}

bool State::is_confirmed(const NodeId& id) const { return confirmed_.contains(id); }

void State::confirm(const NodeId& id) {
  if (!confirmed_.insert(id).second) return;
  const NodeRef node = find_node(id);
  if (node) cluster_.upsert(id, facts_of(*node));
}

sched::NodeFacts State::facts_of(const model::Node& node) const {
  sched::NodeFacts facts;
  facts.ready = node.state == model::NodeState::ready && confirmed_.contains(node.id);
  facts.cordoned = node.unschedulable;
  facts.labels = node.labels;
  facts.allocatable_cpu_milli = node.resources.allocatable_cpu_milli;
  facts.allocatable_memory_bytes = node.resources.allocatable_memory_bytes;
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
  node.updated_at = wall_;
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
  if (before) {
    names_.erase({before->owner, before->name});
    if (const auto expiry = expiry_of(*before)) expiries_.erase({*expiry, id});
    if (before->phase == model::Phase::pending) queue_.remove(before->owner, before->created_at, id);
  }
  if (after) {
    names_[{after->owner, after->name}] = id;
    if (const auto expiry = expiry_of(*after)) expiries_.emplace(*expiry, id);
    if (after->phase == model::Phase::pending) queue_.add(after->owner, after->created_at, id);
  }
  replace_reservation(before.get(), after.get(), quarantine);
  if (after) {
    sandboxes_[after->id] = after;
  } else if (before) {
    sandboxes_.erase(before->id);
  }
}

void State::replace_reservation(const model::Sandbox* before, const model::Sandbox* after, bool quarantine) {
  const auto held = before != nullptr ? reservation_of(*before) : std::nullopt;
  const auto wanted = after != nullptr ? reservation_of(*after) : std::nullopt;
  if (held && wanted && before->node == after->node && *held == *wanted) return;
  if (held) {
    cluster_.release(before->node, *held, mono_, quarantine);
    const auto there = on_node_.find(before->node);
    there->second.erase(before->id);
    if (there->second.empty()) on_node_.erase(there);
  }
  if (wanted) {
    // A port that only changed hands within one record leaves its quarantine here.
    cluster_.reserve(after->node, *wanted);
    on_node_[after->node].insert(after->id);
  }
}

void State::replace_node(const NodeId& id, NodeRef after) {
  const NodeRef before = find_node(id);
  if (!after) {
    if (before) {
      cluster_.erase(before->id);
      nodes_.erase(before->id);
    }
    return;
  }
  const sched::NodeFacts facts = facts_of(*after);
  if (!before || facts_of(*before) != facts) cluster_.upsert(after->id, facts);
  nodes_[after->id] = std::move(after);
}

ports::StoreTransaction State::transaction() const {
  ports::StoreTransaction out;
  out.revision = revision_;
  for (const auto& [id, before] : nodes_before_) {
    if (const NodeRef now = find_node(id)) {
      out.changes.emplace_back(ports::PutNode{*now});
    } else if (before) {
      out.changes.emplace_back(ports::EraseNode{id});
    }
  }
  for (const auto& [id, before] : before_) {
    if (SandboxRef now = find(id)) {
      out.changes.emplace_back(ports::PutSandbox(std::move(now)));
    } else if (before) {
      out.changes.emplace_back(ports::EraseSandbox{id});
    }
  }
  return out;
}

Released State::accept() {
  Released out;
  out.events = std::exchange(events_, {});
  out.effects = std::exchange(effects_, {});
  before_.clear();
  nodes_before_.clear();
  return out;
}

void State::undo() {
  for (const auto& [id, version] : nodes_before_) replace_node(id, version);
  for (const auto& [id, version] : before_) replace(id, version, false);
  before_.clear();
  nodes_before_.clear();
  events_.clear();
  effects_.clear();
  revision_ = revision_before_;
}

}  // namespace sandboxd::orch
