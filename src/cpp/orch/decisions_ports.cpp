// Against what was known, a node has no room: the sandbox waits again. Or a host port is taken by another program of
// the node's machine: the sandbox gets another one.
//
// The node finds out about a port when it takes the create on, or later when it opens it. The sandbox goes back to be
// placed; for another port as a new life: what is left of the old one is removed from its node, and late news of it is
// ignored. The refused port rests for its quarantine like any released one. A line in the sandbox's reasons for each
// refused port tells the user, and bounds how often.
#include "lifecycle/sandbox_fsm.hpp"
#include "model/host_port.hpp"
#include "orch/decisions.hpp"

#include <algorithm>

namespace sandboxd::orch {
namespace {

constexpr std::ptrdiff_t kRefusedPortsMax = 8;

// A port that the user named is not ours to change.
bool is_chosen_port(const model::Sandbox& sandbox, int port) {
  for (std::size_t n = 0; n < sandbox.ports.size() && n < sandbox.spec.ports.size(); ++n) {
    if (sandbox.ports[n].host_port == port) return sandbox.spec.ports[n].host_port == 0;
  }
  return false;
}

// As one that is not placed. The phase can be sent back.
model::Sandbox sent_back(const model::Sandbox& sandbox, const std::string& refusal) {
  model::Sandbox next = sandbox;
  next.phase = *lifecycle::next(sandbox.phase, lifecycle::Event::sent_back);
  std::erase_if(next.reasons, [](const std::string& line) { return !is_port_refusal(line); });
  next.reasons.push_back("node " + sandbox.node.str() + ": " + refusal);
  next.node = NodeId();
  next.ports.clear();
  next.ip.clear();
  next.external.clear();
  next.containers.clear();
  return next;
}

}  // namespace

bool is_port_refusal(const std::string& reason) {
  const auto text = reason.find(": host port already ");
  return text != std::string::npos && model::refused_host_port(std::string_view(reason).substr(text + 2)).has_value();
}

// To those who wait, unless it has waited long enough or is not to wait at all.
bool Decisions::wait_for_room(const model::Sandbox& sandbox, const std::string& refusal) {
  if (config_.place_or_fail == "fail" || is_being_removed(sandbox.node)) return false;
  if (state_.mono_now() >= state_.waits_since(sandbox) + config_.place_deadline) return false;
  if (!lifecycle::next(sandbox.phase, lifecycle::Event::sent_back)) return false;
  // The same life: the node has refused it, so there is nothing of it.
  state_.put(sent_back(sandbox, refusal));
  return true;
}

bool Decisions::choose_other_port(const model::Sandbox& sandbox, const std::string& refusal) {
  const auto port = model::refused_host_port(refusal);
  const bool may_go_back = lifecycle::next(sandbox.phase, lifecycle::Event::sent_back).has_value();
  if (!port || !may_go_back || !is_chosen_port(sandbox, *port)) return false;
  const auto refused = std::count_if(sandbox.reasons.begin(), sandbox.reasons.end(), is_port_refusal);
  if (refused >= kRefusedPortsMax) return false;

  state_.release(SendRemove{sandbox.id, sandbox.uid, sandbox.node});
  model::Sandbox next = sent_back(sandbox, refusal);
  next.uid = draw_uid();
  const SandboxRef waiting = state_.put(std::move(next));
  if (!try_place(*waiting, find_place(*waiting, 0)) && fails_at_once()) give_up(*waiting, waiting->reasons);
  return true;
}

}  // namespace sandboxd::orch
