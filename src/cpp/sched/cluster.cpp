#include "sched/cluster.hpp"

#include "sched/filter.hpp"

namespace sandboxd::sched {
namespace {

constexpr std::size_t kHopelessMax = 1024;

}  // namespace

Cluster::Entry& Cluster::entry(const NodeId& id) {
  auto& slot = entries_[id];
  if (!slot) slot = std::make_unique<Entry>(id, options_.ports);
  return *slot;
}

// Recomputes what follows from facts and reservations, and moves the node to its place in the ranking.
void Cluster::refresh(Entry& node) {
  NodeView& view = node.view;
  view.free_cpu_milli = view.allocatable_cpu_milli - node.reserved_cpu_milli;
  view.free_memory_bytes = view.allocatable_memory_bytes - node.reserved_memory_bytes;
  view.free_ports = node.ports.free_count();
  const int bucket = node.known && view.ready && !view.cordoned ? score(view) : -1;
  if (bucket != node.bucket) rank(node, bucket);
}

void Cluster::rank(Entry& node, int bucket) {
  const auto move = [&](Ranking& ranking) {
    const auto old = ranking.find(node.bucket);
    if (old != ranking.end() && old->second.erase(&node) > 0 && old->second.empty()) ranking.erase(old);
    if (bucket >= 0) ranking[bucket].insert(&node);
  };
  move(ranking_);
  for (const auto& label : node.view.labels) {
    Ranking& ranking = by_label_[label];
    move(ranking);
    if (ranking.empty()) by_label_.erase(label);
  }
  node.bucket = bucket;
}

// A list that has every node the selector allows, and few others; nullptr when there is none.
const Cluster::Ranking* Cluster::ranking_for(const Request& request) const {
  const Ranking* out = &ranking_;
  for (const auto& wanted : request.selector) {
    const auto found = by_label_.find(wanted);
    if (found == by_label_.end()) return nullptr;
    out = &found->second;
  }
  return out;
}

void Cluster::upsert(const NodeId& id, const NodeFacts& facts) {
  Entry& node = entry(id);
  if (!node.known) ++known_;
  node.known = true;
  if (node.view.labels != facts.labels) rank(node, -1);  // out of the lists of its former labels
  node.view.ready = facts.ready;
  node.view.cordoned = facts.cordoned;
  node.view.labels = facts.labels;
  node.view.allocatable_cpu_milli = facts.allocatable_cpu_milli;
  node.view.allocatable_memory_bytes = facts.allocatable_memory_bytes;
  refresh(node);
  ++gains_;
}

void Cluster::erase(const NodeId& id) {
  const auto found = entries_.find(id);
  if (found == entries_.end() || !found->second->known) return;
  found->second->known = false;
  --known_;
  refresh(*found->second);
  drop_if_unused(id);
}

void Cluster::drop_if_unused(const NodeId& id) {
  const auto found = entries_.find(id);
  if (found == entries_.end() || found->second->known || found->second->reservations > 0) return;
  if (const auto ends = found->second->ports.next_expiry()) port_expiries_.erase({*ends, id});
  entries_.erase(found);
}

void Cluster::reserve(const NodeId& id, const Reservation& reservation) {
  Entry& node = entry(id);
  node.reserved_cpu_milli += reservation.cpu_milli;
  node.reserved_memory_bytes += reservation.memory_bytes;
  ++node.reservations;
  for (const int port : reservation.ports) node.ports.reserve(port);
  refresh(node);
}

void Cluster::release(const NodeId& id, const Reservation& reservation, MonoTime now, bool quarantine) {
  Entry& node = entry(id);
  node.reserved_cpu_milli -= reservation.cpu_milli;
  node.reserved_memory_bytes -= reservation.memory_bytes;
  if (node.reservations > 0) --node.reservations;
  const bool waiting = node.ports.next_expiry().has_value();
  for (const int port : reservation.ports) node.ports.release(port, now, quarantine);
  const auto ends = node.ports.next_expiry();
  if (!waiting && ends) port_expiries_.emplace(*ends, id);
  refresh(node);
  ++gains_;
  drop_if_unused(id);
}

std::optional<Rule> Cluster::refused_by(const Entry& node, const Request& request) const {
  if (auto rule = refuses(node.view, request)) return rule;
  // The view does not list taken ports: the allocator is asked.
  if (!request.host_ports.empty() && !node.ports.can_choose(request.host_ports)) return Rule::ports;
  return std::nullopt;
}

Decision Cluster::place(const Request& request, MonoTime now, std::size_t refusals_max) {
  expire_ports(now);
  Decision decision;
  const auto remembered = hopeless_.find(request);
  const bool is_hopeless = remembered != hopeless_.end() && remembered->second == gains_;
  const Ranking* const ranking = is_hopeless ? nullptr : ranking_for(request);
  if (ranking != nullptr) {
    for (const auto& [points, nodes] : *ranking) {
      for (const Entry* node : nodes) {
        if (refused_by(*node, request)) continue;
        decision.node = node->view.id;
        decision.score = points;
        return decision;
      }
    }
  }
  if (hopeless_.size() >= kHopelessMax) hopeless_.clear();
  hopeless_[request] = gains_;
  for (const auto& [id, node] : entries_) {
    if (decision.refusals.size() >= refusals_max) break;
    if (!node->known) continue;
    if (const auto rule = refused_by(*node, request)) {
      decision.refusals.push_back(explain(node->view, request, *rule));
    }
  }
  return decision;
}

std::optional<std::vector<int>> Cluster::choose_ports(const NodeId& id, const Request& request, MonoTime now) {
  expire_ports(now);
  return entry(id).ports.choose(request.host_ports, now);
}

std::optional<MonoTime> Cluster::next_port_expiry() const {
  if (port_expiries_.empty()) return std::nullopt;
  return port_expiries_.begin()->first;
}

void Cluster::expire_ports(MonoTime now) {
  while (!port_expiries_.empty() && port_expiries_.begin()->first <= now) {
    const NodeId id = port_expiries_.begin()->second;
    port_expiries_.erase(port_expiries_.begin());
    Entry& node = entry(id);
    node.ports.expire(now);
    if (const auto next = node.ports.next_expiry()) port_expiries_.emplace(*next, id);
    refresh(node);
    ++gains_;
  }
}

Snapshot Cluster::snapshot() const {
  Snapshot out;
  for (const auto& [id, node] : entries_) {
    if (node->known) out.nodes.push_back(node->view);
  }
  return out;
}

bool Cluster::is_port_taken(const NodeId& id, int port) const {
  const auto found = entries_.find(id);
  return found != entries_.end() && found->second->ports.is_taken(port);
}

}  // namespace sandboxd::sched
