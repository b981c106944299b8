#include "orch/host_names.hpp"

#include "model/ipv4.hpp"
#include "orch/engine.hpp"
#include "orch/state.hpp"

#include <algorithm>
#include <functional>
#include <optional>

namespace sandboxd::orch {
namespace {

constexpr std::uint32_t kPortMax = 65535;

bool is_reachable(const SandboxRef& sandbox) { return sandbox->phase == model::Phase::running; }

// nullopt: it has no main port, or several that could be it.
std::optional<int> main_port(const model::Sandbox& sandbox) {
  const auto said = sandbox.spec.annotations.find(std::string(kMainPortAnnotation));
  if (said != sandbox.spec.annotations.end()) {
    const std::string_view text = said->second;
    const std::size_t slash = text.find('/');
    if (slash != std::string_view::npos && text.substr(slash) != "/tcp") return std::nullopt;
    const auto port = model::parse_number(text.substr(0, slash), kPortMax);
    return port ? std::optional<int>(static_cast<int>(*port)) : std::nullopt;
  }
  std::optional<int> only;
  for (const model::PublishedPort& port : sandbox.ports) {
    if (port.protocol != model::Protocol::tcp) continue;
    if (only) return std::nullopt;
    only = port.container_port;
  }
  return only;
}

Result<HostTarget> target_of(const State& state, const model::Sandbox& sandbox, std::optional<int> container_port) {
  const auto wanted = container_port ? container_port : main_port(sandbox);
  const NodeRef node = state.find_node(sandbox.node);
  if (!wanted || !node) return Error(ErrorCode::not_found, "the sandbox has no such port");
  const auto found = std::ranges::find_if(sandbox.ports, [&](const model::PublishedPort& port) {
    return port.protocol == model::Protocol::tcp && port.container_port == *wanted;
  });
  if (found == sandbox.ports.end()) return Error(ErrorCode::not_found, "the sandbox has no such port");
  return HostTarget{node->address.ip, found->host_port};
}

// The one that runs. Errors: not_found, conflict.
Result<SandboxRef> running(const State& state, std::string_view name) {
  SandboxRef found;
  for (const SandboxRef& sandbox : state.named(std::string(name))) {
    if (!is_reachable(sandbox)) continue;
    if (found) return Error(ErrorCode::conflict, "sandboxes of several owners have this name");
    found = sandbox;
  }
  if (!found) return Error(ErrorCode::not_found, "no sandbox of this name runs");
  return found;
}

}  // namespace

Result<HostTarget> host_target(const State& state, std::string_view label) {
  const auto whole = running(state, label);
  if (whole) return target_of(state, **whole, std::nullopt);
  const std::size_t dash = label.find('-');
  const auto port = model::parse_number(label.substr(0, dash), kPortMax);
  if (dash == std::string_view::npos || !port || *port == 0) return whole.error();
  SBX_TRY(sandbox, running(state, label.substr(dash + 1)));
  return target_of(state, *sandbox, static_cast<int>(*port));
}

Task<Result<HostTarget>> find_host_target(Engine& engine, std::string label) {
  std::function<Result<HostTarget>(Engine&)> look = [label = std::move(label)](Engine& asked) {
    return host_target(asked.state(), label);
  };
  return engine.read<HostTarget>(std::move(look));
}

}  // namespace sandboxd::orch
