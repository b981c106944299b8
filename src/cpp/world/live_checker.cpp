#include "world/live_checker.hpp"

#include "lifecycle/sandbox_fsm.hpp"

#include <algorithm>

namespace sandboxd::world {
namespace {

using model::Phase;

bool may_run(Phase phase) {
  return phase == Phase::scheduled || phase == Phase::creating || phase == Phase::running || phase == Phase::pausing ||
         phase == Phase::paused || phase == Phase::stopping;
}

std::string name_of(const model::Sandbox& sandbox) { return "sandbox " + sandbox.id.str(); }

}  // namespace

void LiveChecker::set_capacity(const NodeId& node, std::int64_t cpu_milli, std::int64_t memory_bytes) {
  nodes_[node].cpu_milli = cpu_milli;
  nodes_[node].memory_bytes = memory_bytes;
}

void LiveChecker::begin_life(const std::vector<orch::SandboxRef>& sandboxes, std::int64_t revision) {
  if (revision < last_) {
    say_("revision " + std::to_string(revision) + " after a restart, but " + std::to_string(last_) +
         " was heard before");
  }
  last_ = revision;
  known_.clear();
  ports_.clear();
  accepted_at_.clear();
  for (auto& [id, node] : nodes_) node.promised_cpu_milli = node.promised_memory_bytes = 0;
  for (const orch::SandboxRef& sandbox : sandboxes) replace(nullptr, sandbox);
  for (const auto& [id, entry] : ledger_) {
    const auto found = known_.find(id);
    const bool is_there = found != known_.end() && found->second->uid == entry.uid;
    if (!entry.delete_sent && !entry.may_expire && !is_there) {
      say_("the acknowledged create of " + id.str() + " is lost over a restart");
    }
    if (entry.delete_acknowledged && is_there && found->second->phase != Phase::deleting) {
      say_("the acknowledged delete of " + id.str() + " is lost over a restart");
    }
  }
}

void LiveChecker::hear(const orch::WatchEvent& event, std::int64_t durable, MonoTime now) {
  if (event.revision != last_ + 1) {
    say_("revision " + std::to_string(event.revision) + " follows " + std::to_string(last_));
  }
  last_ = event.revision;
  if (event.revision > durable) {
    say_("revision " + std::to_string(event.revision) + " was told before it was durable");
  }
  if (event.node) {
    if (event.kind == orch::WatchKind::node_put) check_node(*event.node);
    return;
  }
  check_move(event);
  const auto found = known_.find(event.sandbox->id);
  const orch::SandboxRef before = found == known_.end() ? nullptr : found->second;
  if (event.kind == orch::WatchKind::sandbox_gone) {
    check_gone(*event.sandbox);
    accepted_at_.erase(event.sandbox->uid);
    return replace(before, nullptr);
  }
  if (before && before->phase != event.sandbox->phase) {
    if (event.sandbox->phase == Phase::scheduled) ++placements_;
    if (event.sandbox->phase == Phase::failed && before->phase == Phase::pending) ++given_up_;
    if (event.sandbox->phase == Phase::running) measure(*event.sandbox, now);
  }
  if (!before) accepted_at_[event.sandbox->uid] = now;
  replace(before, event.sandbox);
}

void LiveChecker::measure(const model::Sandbox& sandbox, MonoTime now) {
  const auto accepted = accepted_at_.find(sandbox.uid);
  if (accepted == accepted_at_.end()) return;
  running_times_.push_back(now - accepted->second);
  accepted_at_.erase(accepted);
}

void LiveChecker::check_move(const orch::WatchEvent& event) {
  const auto& sandbox = *event.sandbox;
  const auto found = known_.find(sandbox.id);
  if (event.kind == orch::WatchKind::sandbox_gone) {
    if (found == known_.end()) say_(name_of(sandbox) + " is gone, but was never there");
    return;
  }
  if (found == known_.end()) {
    if (sandbox.phase != Phase::pending) {
      say_(name_of(sandbox) + " begins as " + std::string(model::to_string(sandbox.phase)));
    }
  } else if (found->second->uid != sandbox.uid && sandbox.phase == Phase::pending) {
    // Started again where no node has anything of it: another life in the same place.
    if (!lifecycle::is_move(found->second->phase, sandbox.phase))
      say_(name_of(sandbox) + " begins another life from " + std::string(model::to_string(found->second->phase)));
  } else if (found->second->uid != sandbox.uid) {
    say_(name_of(sandbox) + " has a new life while the old one is there");
  } else if (found->second->phase != sandbox.phase && !lifecycle::is_move(found->second->phase, sandbox.phase)) {
    say_(name_of(sandbox) + " moved from " + std::string(model::to_string(found->second->phase)) + " to " +
         std::string(model::to_string(sandbox.phase)));
  }
}

void LiveChecker::check_gone(const model::Sandbox& sandbox) {
  const auto found = ledger_.find(sandbox.id);
  if (found == ledger_.end() || found->second.uid != sandbox.uid) return;
  if (!found->second.delete_sent && !found->second.may_expire) {
    say_(name_of(sandbox) + " is gone, but nobody deleted it");
  }
}

// An incarnation that was replaced is dead for good.
void LiveChecker::check_node(const model::Node& node) {
  NodeBooks& books = nodes_[node.id];
  if (node.boot_id.empty() || node.boot_id == books.boot_id) return;
  if (books.former_boot_ids.contains(node.boot_id)) {
    say_("node " + node.id.str() + " is back in its former life " + node.boot_id);
  }
  if (!books.boot_id.empty()) books.former_boot_ids.insert(books.boot_id);
  books.boot_id = node.boot_id;
}

void LiveChecker::arrive(const NodeId& node, const SandboxId& id, const std::string& uid, bool is_durable) {
  const auto where = went_to_.try_emplace(uid, node).first;
  if (where->second != node) {
    say_("the same life of sandbox " + id.str() + " was sent to node " + where->second.str() + " and to node " +
         node.str());
  }
  if (!is_durable && !told_.contains(uid)) {
    say_("node " + node.str() + " was asked to run sandbox " + id.str() + ", of which the store knows nothing");
  }
}

void LiveChecker::replace(const orch::SandboxRef& before, const orch::SandboxRef& after) {
  if (before) {
    subtract(*before);
    known_.erase(before->id);
  }
  if (!after) return;
  known_[after->id] = after;
  told_.insert(after->uid);
  add(*after);
}

void LiveChecker::subtract(const model::Sandbox& sandbox) {
  for (const model::PublishedPort& port : sandbox.ports) {
    const auto owner = ports_.find({sandbox.node, port.host_port});
    if (owner != ports_.end() && owner->second == sandbox.id) ports_.erase(owner);
  }
  if (counted_.erase(sandbox.id) == 0) return;
  NodeBooks& books = nodes_[sandbox.node];
  books.promised_cpu_milli -= model::total_request_cpu_milli(sandbox.spec);
  books.promised_memory_bytes -= model::total_request_memory_bytes(sandbox.spec);
}

void LiveChecker::add(const model::Sandbox& sandbox) {
  for (const model::PublishedPort& port : sandbox.ports) {
    const auto [owner, is_new] = ports_.try_emplace({sandbox.node, port.host_port}, sandbox.id);
    if (!is_new) {
      say_("port " + std::to_string(port.host_port) + " of node " + sandbox.node.str() + " was given to " +
           sandbox.id.str() + " while " + owner->second.str() + " has it");
    }
  }
  if (!may_run(sandbox.phase) || was_node_asked(ledger_, sandbox.id)) return;
  counted_.insert(sandbox.id);
  NodeBooks& books = nodes_[sandbox.node];
  books.promised_cpu_milli += model::total_request_cpu_milli(sandbox.spec);
  books.promised_memory_bytes += model::total_request_memory_bytes(sandbox.spec);
  if (books.promised_cpu_milli > books.cpu_milli || books.promised_memory_bytes > books.memory_bytes) {
    say_("node " + sandbox.node.str() + " was promised more than it has for " + sandbox.id.str());
  }
}

std::vector<std::int64_t> LiveChecker::cpu_permille() const {
  std::vector<std::int64_t> out;
  for (const auto& [id, node] : nodes_) {
    if (node.cpu_milli > 0) out.push_back(node.promised_cpu_milli * 1000 / node.cpu_milli);
  }
  return out;
}

std::int64_t LiveChecker::cpu_free_max_milli() const {
  std::int64_t out = 0;
  for (const auto& [id, node] : nodes_) out = std::max(out, node.cpu_milli - node.promised_cpu_milli);
  return out;
}

}  // namespace sandboxd::world
