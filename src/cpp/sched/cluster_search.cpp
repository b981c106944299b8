// Finding and explaining. What is read here is kept up to date by cluster.cpp.
#include "sched/cluster.hpp"
#include "sched/filter.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace sandboxd::sched {
namespace {

constexpr std::size_t kHopelessMax = 1024;
constexpr std::size_t kImageLooks = 48;
constexpr std::size_t kLooksAhead = 4;          // their rows lie anywhere in memory: fetched before they are needed
constexpr std::size_t kDomainsConsidered = 64;  // with more, the general search has enough variety
constexpr std::size_t kDomainsTried = 3;
constexpr int kDomainLooks = 32;
constexpr int kDomainFits = 4;

std::int64_t shortage_permille(std::int64_t wanted, std::int64_t free, std::int64_t whole) {
  if (wanted <= free || whole <= 0) return 0;
  return static_cast<std::int64_t>((static_cast<__int128>(wanted) - free) * 1000 / whole);
}

std::int64_t times(std::int64_t amount, std::int64_t factor) {
  std::int64_t out = 0;
  return __builtin_mul_overflow(amount, factor, &out) ? std::numeric_limits<std::int64_t>::max() : out;
}

}  // namespace

void Cluster::resolve_selector(const Request& request, Ask& ask) const {
  ask.is_limited = !request.nodes.empty();
  ask.slots.clear();
  for (const NodeId& id : request.nodes) {
    if (const Slot slot = find(id); slot != kNoSlot) ask.slots.push_back(slot);
  }
  ask.labels.clear();
  ask.label_bits = 0;
  for (const auto& [key, value] : request.selector) {
    ask.text.assign(key).append(1, '\0').append(value);
    ask.labels.push_back(labels_.find(ask.text));
    ask.label_bits |= bit_of(ask.labels.back());
  }
}

const Ask& Cluster::resolve(const Request& request) {
  ask_.cpu_milli = request.cpu_milli;
  ask_.memory_bytes = request.memory_bytes;
  ask_.disk_bytes = request.disk_bytes;
  ask_.host_ports = &request.host_ports;
  ask_.names_ports = ask_.needs_range = false;
  for (const int port : request.host_ports) {
    ask_.names_ports |= port != 0;
    ask_.needs_range |= port == 0 || (port >= options_.ports.first && port <= options_.ports.last);
  }
  resolve_selector(request, ask_);
  ask_.images.clear();
  for (const std::string& image : request.images) ask_.images.push_back(images_.find(image));
  ask_.group = request.group.empty() ? 0 : groups_.find(request.group);
  ask_.domains = nullptr;
  ask_.domains_max = ask_.domains_min = 0;
  if (ask_.group != 0 && ask_.group < in_domain_.size()) {
    ask_.domains = &in_domain_[ask_.group];
    for (const Count& there : *ask_.domains) ask_.domains_max = std::max(ask_.domains_max, there.count);
    ask_.domains_min = domains_.size() > kDomainsConsidered ? 0 : ask_.domains_max;
    for (std::size_t n = 0; n < domains_.size() && ask_.domains_min > 0; ++n)
      ask_.domains_min = std::min(ask_.domains_min, count_of(*ask_.domains, domains_[n]));
  }
  return ask_;
}

void Cluster::consider(Slot slot, const Ask& ask, Best& best) const {
  const int sum = scorer_.sum(rows_[slot], ask, best.sum);
  if (sum < best.sum || (sum == best.sum && !(nodes_[slot].id < nodes_[best.slot].id))) return;
  best = {slot, sum};
}

void Cluster::search(const Ask& ask, Best& best) {
  if (ask.is_limited) {
    for (const Slot slot : ask.slots) {
      if (fits(rows_[slot], ask)) consider(slot, ask, best);
    }
    return;
  }
  const ScoreIndex* index = &all_;
  for (const std::uint32_t label : ask.labels) {
    if (label == Interner::kNone) return;
    if (by_label_[label].size() < index->size()) index = &by_label_[label];
  }
  const bool compares_all = options_.policy.candidates == 0 || !index->is_ordered();
  const int share = compares_all ? std::numeric_limits<int>::max() / 4 : (options_.policy.candidates + 2) / 3;
  // A third of them from nodes with far more room than asked for, and so on: the request hardly lowers their score.
  Shelves visited = 0;
  int left = 0;
  for (const std::int64_t factor : {32, 8, 1}) {
    const Shelves shelves =
        shelves_for(times(ask.cpu_milli, factor), times(ask.memory_bytes, factor), ask.needs_range) & ~visited;
    visited |= shelves;
    left += share;
    index->walk(shelves, [&](Slot slot) {
      if (!fits(rows_[slot], ask)) return true;
      consider(slot, ask, best);
      return --left > 0;
    });
  }
  if (best.slot == kNoSlot || compares_all) return;  // nothing, or everything, was compared
  if (options_.policy.weight(Score::image) > 0) look_where_images_are(ask, best);
  if (counts_domains_ && ask.domains_max > 0) look_in_empty_domains(ask, visited, best);
}

// The nodes with the image that fewest have. Not in order of promise, so others have their turn the next time.
void Cluster::look_where_images_are(const Ask& ask, Best& best) {
  const std::vector<Slot>* nodes = nullptr;
  for (const std::uint32_t image : ask.images) {
    if (image != Interner::kNone && (nodes == nullptr || by_image_[image].size() < nodes->size()))
      nodes = &by_image_[image];
  }
  if (nodes == nullptr || nodes->empty()) return;
  for (std::size_t looks = std::min(kImageLooks, nodes->size()); looks > 0; --looks) {
    __builtin_prefetch(&rows_[(*nodes)[(image_turn_ + kLooksAhead) % nodes->size()]]);
    const Slot slot = (*nodes)[image_turn_++ % nodes->size()];
    if (fits(rows_[slot], ask)) consider(slot, ask, best);
  }
}

void Cluster::look_in_empty_domains(const Ask& ask, Shelves shelves, Best& best) {
  if (domains_.size() > kDomainsConsidered) return;
  std::array<std::pair<std::uint32_t, std::uint32_t>, kDomainsConsidered> order;  // sandboxes, domain
  const auto end = std::transform(domains_.begin(), domains_.end(), order.begin(), [&](std::uint32_t domain) {
    return std::pair(count_of(*ask.domains, domain), domain);
  });
  const auto tried = order.begin() + static_cast<std::ptrdiff_t>(std::min(kDomainsTried, domains_.size()));
  std::partial_sort(order.begin(), tried, end);
  for (auto domain = order.begin(); domain != tried; ++domain) {
    int looks = kDomainLooks;
    int fitting = kDomainFits;
    by_label_[domain->second].walk(shelves, [&](Slot slot) {
      if (fits(rows_[slot], ask)) {
        consider(slot, ask, best);
        --fitting;
      }
      return --looks > 0 && fitting > 0;
    });
  }
}

Decision Cluster::place(const Request& request, MonoTime now, std::size_t refusals_max) {
  expire_ports(now);
  const Ask& ask = resolve(request);
  Decision decision;
  const auto remembered = hopeless_.find(request);
  if (remembered == hopeless_.end() || remembered->second != gains_) {
    Best best;
    search(ask, best);
    if (best.slot != kNoSlot) {
      decision.node = nodes_[best.slot].id;
      decision.score = scorer_.mean(best.sum);
      return decision;
    }
    if (hopeless_.size() >= kHopelessMax) hopeless_.clear();
    hopeless_[request] = gains_;
  }
  explain_all(request, ask, refusals_max, decision.refusals);
  return decision;
}

void Cluster::explain_all(const Request& request, const Ask& ask, std::size_t limit, std::vector<Refusal>& out) const {
  for (const auto& [id, slot] : by_id_) {
    if (out.size() >= limit) return;
    if (!nodes_[slot].known) continue;
    if (const auto rule = refuses(rows_[slot], ask, rules_)) out.push_back(explain(view_of(slot), request, *rule));
  }
}

std::vector<Assessment> Cluster::assess(const Request& request, MonoTime now) {
  expire_ports(now);
  const Ask& ask = resolve(request);
  std::vector<Assessment> out;
  for (const auto& [id, slot] : by_id_) {
    if (!nodes_[slot].known) continue;
    Assessment& one = out.emplace_back();
    one.node = id;
    if (const auto rule = refuses(rows_[slot], ask, rules_)) {
      one.refusal = explain(view_of(slot), request, *rule);
      continue;
    }
    one.score = scorer_.mean(scorer_.sum(rows_[slot], ask));
    for (const auto& [score, weight] : options_.policy.scores)
      one.parts.emplace_back(score, points(score, rows_[slot], ask));
  }
  return out;
}

bool Cluster::has_room_when_empty(Slot slot, const Request& request, const Ask& ask) const {
  const Row& row = rows_[slot];
  const NodeFacts& facts = nodes_[slot].facts;
  const bool has_disk = facts.allocatable_disk_bytes == 0 || facts.allocatable_disk_bytes >= request.disk_bytes;
  return nodes_[slot].known && row.ready && !row.cordoned && matches_selector(row, ask) && has_disk &&
         row.allocatable_cpu_milli.value() >= request.cpu_milli &&
         row.allocatable_memory_bytes.value() >= request.memory_bytes;
}

bool Cluster::could_take(const NodeId& id, const Request& request) const {
  const Slot slot = find(id);
  if (slot == kNoSlot) return false;
  Ask ask;
  resolve_selector(request, ask);
  return has_room_when_empty(slot, request, ask);
}

std::optional<NodeId> Cluster::nearest(const Request& request) const {
  Ask ask;
  resolve_selector(request, ask);
  std::optional<NodeId> nearest;
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  for (const auto& [id, slot] : by_id_) {
    const Row& row = rows_[slot];
    if (row.held || !has_room_when_empty(slot, request, ask)) continue;
    const std::int64_t lacking =
        std::max(shortage_permille(request.cpu_milli, row.free_cpu_milli, row.allocatable_cpu_milli.value()),
                 shortage_permille(request.memory_bytes, row.free_memory_bytes, row.allocatable_memory_bytes.value()));
    if (lacking >= least) continue;
    least = lacking;
    nearest = id;
  }
  return nearest;
}

bool Cluster::fits_held(const NodeId& id, const Request& request, MonoTime now) {
  expire_ports(now);
  const Slot slot = find(id);
  if (slot == kNoSlot || !nodes_[slot].known) return false;
  const auto rule = refuses(rows_[slot], resolve(request), rules_);
  if (!rule || *rule != Rule::held) return !rule;
  // Asked last unless the policy says otherwise, so the others must be asked without it.
  return std::all_of(rules_.begin(), rules_.end(), [&](Rule other) {
    return other == Rule::held || !refuses(rows_[slot], ask_, std::span(&other, 1));
  });
}

NodeView Cluster::view_of(Slot slot) const {
  const Row& row = rows_[slot];
  const Node& node = nodes_[slot];
  NodeView view;
  view.id = node.id;
  view.ready = row.ready;
  view.cordoned = row.cordoned;
  view.held = row.held;
  view.labels = node.facts.labels;
  view.allocatable_cpu_milli = row.allocatable_cpu_milli.value();
  view.allocatable_memory_bytes = row.allocatable_memory_bytes.value();
  view.allocatable_disk_bytes = node.facts.allocatable_disk_bytes;
  view.free_cpu_milli = row.free_cpu_milli;
  view.free_memory_bytes = row.free_memory_bytes;
  view.free_disk_bytes = node.facts.allocatable_disk_bytes == 0 ? 0 : row.free_disk_bytes;
  view.images = node.facts.images;
  for (const Count& there : row.groups) view.groups.emplace_back(groups_.text(there.key), there.count);
  std::sort(view.groups.begin(), view.groups.end());
  view.free_ports = row.ports.free_count();
  return view;
}

Snapshot Cluster::snapshot() const {
  Snapshot out;
  for (const auto& [id, slot] : by_id_) {
    if (nodes_[slot].known) out.nodes.push_back(view_of(slot));
  }
  return out;
}

}  // namespace sandboxd::sched
