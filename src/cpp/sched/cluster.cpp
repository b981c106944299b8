// Keeping nodes, reservations and indexes up to date. cluster_search.cpp reads them.
#include "sched/cluster.hpp"

#include "base/assert.hpp"
#include "sched/filter.hpp"

#include <algorithm>

namespace sandboxd::sched {
namespace {

// The same on every machine, unlike std::hash.
std::uint64_t mixed(std::uint64_t seed, std::string_view text) {
  std::uint64_t hash = seed ^ 0xcbf29ce484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  hash = (hash ^ hash >> 30) * 0xbf58476d1ce4e5b9U;
  return hash ^ hash >> 31;
}

std::string joined(const std::string& key, const std::string& value) { return key + '\0' + value; }

// Whether a node that was `before` may take now what it could not.
bool is_gain(const NodeFacts& before, const NodeFacts& after) {
  if (!after.ready || after.cordoned) return false;
  return !before.ready || before.cordoned || before.labels != after.labels ||
         after.allocatable_cpu_milli > before.allocatable_cpu_milli ||
         after.allocatable_memory_bytes > before.allocatable_memory_bytes ||
         after.allocatable_disk_bytes != before.allocatable_disk_bytes ||
         after.unused_disk_bytes > before.unused_disk_bytes;
}

}  // namespace

Cluster::Cluster(ClusterOptions options)
    : options_(std::move(options)),
      scorer_(options_.policy),
      rules_(rules_in_order(options_.policy)),
      counts_domains_(options_.policy.weight(Score::spread_domain) > 0) {}

Slot Cluster::find(const NodeId& id) const {
  const auto found = slots_.find(id);
  return found == slots_.end() ? kNoSlot : found->second;
}

Slot Cluster::slot_for(const NodeId& id) {
  if (const Slot known = find(id); known != kNoSlot) return known;
  Row row(options_.ports, mixed(options_.seed, id.str()));
  auto slot = static_cast<Slot>(rows_.size());
  if (unused_slots_.empty()) {
    rows_.push_back(std::move(row));
    nodes_.emplace_back();
  } else {
    slot = unused_slots_.back();
    unused_slots_.pop_back();
    rows_[slot] = std::move(row);
    nodes_[slot] = Node();
  }
  rows_[slot].slot = slot;
  nodes_[slot].id = id;
  nodes_[slot].member = all_.add(slot, kNoCell);
  by_id_.emplace(id, slot);
  slots_.emplace(id, slot);
  return slot;
}

void Cluster::drop_if_unused(Slot slot) {
  Node& node = nodes_[slot];
  if (node.known || node.reservations > 0) return;
  if (const auto ends = rows_[slot].ports.next_expiry()) port_expiries_.erase({*ends, slot});
  all_.remove(node.member);
  by_id_.erase(node.id);
  slots_.erase(node.id);
  unused_slots_.push_back(slot);
}

// Recomputes what follows from facts and reservations, and moves the node to its place in the indexes.
void Cluster::refresh(Slot slot) {
  Row& row = rows_[slot];
  Node& node = nodes_[slot];
  row.free_cpu_milli = row.allocatable_cpu_milli.value() - node.reserved_cpu_milli;
  row.free_memory_bytes = row.allocatable_memory_bytes.value() - node.reserved_memory_bytes;
  row.free_disk_bytes =
      node.facts.allocatable_disk_bytes == 0
          ? kNoDiskLimit
          : std::min(node.facts.allocatable_disk_bytes - node.reserved_disk_bytes, node.facts.unused_disk_bytes);
  Cell cell = kNoCell;
  if (node.known && row.ready && !row.cordoned && !row.held) {
    cell =
        cell_of(scorer_.promise(row), shelf_of(row.free_cpu_milli, row.free_memory_bytes, row.ports.free_count() > 0));
  }
  if (cell == node.cell) return;
  node.cell = cell;
  all_.move(node.member, cell);
  for (std::size_t n = 0; n < row.labels.size(); ++n) by_label_[row.labels[n]].move(node.memberships[n], cell);
}

void Cluster::set_labels(Slot slot, const model::Labels& labels) {
  Row& row = rows_[slot];
  Node& node = nodes_[slot];
  for (const Count& there : row.groups) count_domain(there.key, row.domain, -std::int64_t{there.count});
  for (std::size_t n = 0; n < row.labels.size(); ++n) {
    ScoreIndex& index = by_label_[row.labels[n]];
    index.remove(node.memberships[n]);
    if (row.labels[n] == row.domain && index.size() == 0) std::erase(domains_, row.domain);
    labels_.release(row.labels[n]);
  }
  row.domain = 0;
  row.labels.clear();
  node.memberships.clear();
  for (const auto& [key, value] : labels) row.labels.push_back(labels_.acquire(joined(key, value)));
  std::sort(row.labels.begin(), row.labels.end());
  row.label_bits = 0;
  for (const std::uint32_t label : row.labels) row.label_bits |= bit_of(label);
  by_label_.resize(std::max(by_label_.size(), labels_.limit()));
  for (const std::uint32_t label : row.labels) node.memberships.push_back(by_label_[label].add(slot, node.cell));
  if (const auto domain = labels.find(options_.policy.domain_label); domain != labels.end()) {
    row.domain = labels_.find(joined(domain->first, domain->second));
    if (by_label_[row.domain].size() == 1) domains_.push_back(row.domain);
  }
  for (const Count& there : row.groups) count_domain(there.key, row.domain, there.count);
}

void Cluster::set_images(Slot slot, const std::vector<std::string>& images) {
  Row& row = rows_[slot];
  for (const std::uint32_t image : row.images) {
    std::vector<Slot>& there = by_image_[image];
    *std::find(there.begin(), there.end(), slot) = there.back();
    there.pop_back();
    images_.release(image);
  }
  row.images.clear();
  for (const std::string& image : images) {
    const std::uint32_t number = images_.acquire(image);
    if (std::find(row.images.begin(), row.images.end(), number) == row.images.end()) {
      row.images.push_back(number);
    } else {
      images_.release(number);
    }
  }
  std::sort(row.images.begin(), row.images.end());
  by_image_.resize(std::max(by_image_.size(), images_.limit()));
  for (const std::uint32_t image : row.images) by_image_[image].push_back(slot);
}

void Cluster::upsert(const NodeId& id, const NodeFacts& facts) {
  const Slot slot = slot_for(id);
  Row& row = rows_[slot];
  Node& node = nodes_[slot];
  if (is_gain(node.facts, facts)) ++gains_;
  if (!node.known) ++known_;
  node.known = true;
  if (node.facts.labels != facts.labels) set_labels(slot, facts.labels);
  if (node.facts.images != facts.images) set_images(slot, facts.images);
  node.facts = facts;
  row.ready = facts.ready;
  row.cordoned = facts.cordoned;
  row.allocatable_cpu_milli.set(facts.allocatable_cpu_milli);
  row.allocatable_memory_bytes.set(facts.allocatable_memory_bytes);
  refresh(slot);
}

void Cluster::erase(const NodeId& id) {
  const Slot slot = find(id);
  if (slot == kNoSlot || !nodes_[slot].known) return;
  --known_;
  Node& node = nodes_[slot];
  Row& row = rows_[slot];
  node.known = false;
  set_labels(slot, {});
  set_images(slot, {});
  node.facts = NodeFacts();
  row.ready = row.cordoned = row.held = false;
  row.allocatable_cpu_milli.set(0);
  row.allocatable_memory_bytes.set(0);
  refresh(slot);
  drop_if_unused(slot);
}

void Cluster::count_domain(std::uint32_t group, std::uint32_t domain, std::int64_t by) {
  if (!counts_domains_) return;
  if (in_domain_.size() <= group) in_domain_.resize(groups_.limit());
  add_to(in_domain_[group], domain, by);
}

void Cluster::count_group(Slot slot, std::uint32_t group, std::int64_t by) {
  add_to(rows_[slot].groups, group, by);
  count_domain(group, rows_[slot].domain, by);
}

void Cluster::reserve(const NodeId& id, const Reservation& reservation) {
  const Slot slot = slot_for(id);
  Node& node = nodes_[slot];
  node.reserved_cpu_milli += reservation.cpu_milli;
  node.reserved_memory_bytes += reservation.memory_bytes;
  node.reserved_disk_bytes += reservation.disk_bytes;
  ++node.reservations;
  for (const int port : reservation.ports) rows_[slot].ports.reserve(port);
  if (!reservation.group.empty()) count_group(slot, groups_.acquire(reservation.group), 1);
  refresh(slot);
}

void Cluster::release(const NodeId& id, const Reservation& reservation, MonoTime now, bool quarantine) {
  const Slot slot = find(id);
  if (slot == kNoSlot) return;
  Node& node = nodes_[slot];
  PortAllocator& ports = rows_[slot].ports;
  node.reserved_cpu_milli -= reservation.cpu_milli;
  node.reserved_memory_bytes -= reservation.memory_bytes;
  node.reserved_disk_bytes -= reservation.disk_bytes;
  if (node.reservations > 0) --node.reservations;
  const bool waiting = ports.next_expiry().has_value();
  for (const int port : reservation.ports) ports.release(port, now, quarantine);
  const auto ends = ports.next_expiry();
  if (!waiting && ends) port_expiries_.emplace(*ends, slot);
  if (const std::uint32_t group = groups_.find(reservation.group); !reservation.group.empty()) {
    SBX_ASSERT(group != Interner::kNone);
    count_group(slot, group, -1);
    groups_.release(group);
  }
  refresh(slot);
  ++gains_;
  drop_if_unused(slot);
}

void Cluster::hold(const NodeId& id, bool held) {
  const Slot slot = find(id);
  if (slot == kNoSlot || rows_[slot].held == held) return;
  rows_[slot].held = held;
  if (!held) ++gains_;
  refresh(slot);
}

std::optional<std::vector<int>> Cluster::choose_ports(const NodeId& id, const Request& request, MonoTime now) {
  expire_ports(now);
  const Slot slot = find(id);
  if (slot == kNoSlot) return std::nullopt;
  return rows_[slot].ports.choose(request.host_ports, now);
}

std::optional<MonoTime> Cluster::next_port_expiry() const {
  if (port_expiries_.empty()) return std::nullopt;
  return port_expiries_.begin()->first;
}

void Cluster::expire_ports(MonoTime now) {
  while (!port_expiries_.empty() && port_expiries_.begin()->first <= now) {
    const Slot slot = port_expiries_.begin()->second;
    port_expiries_.erase(port_expiries_.begin());
    PortAllocator& ports = rows_[slot].ports;
    ports.expire(now);
    if (const auto next = ports.next_expiry()) port_expiries_.emplace(*next, slot);
    refresh(slot);
    ++gains_;
  }
}

bool Cluster::is_port_taken(const NodeId& id, int port) const {
  const Slot slot = find(id);
  return slot != kNoSlot && rows_[slot].ports.is_taken(port);
}

}  // namespace sandboxd::sched
