// Names of enumerations and the few functions of the model that are more than a field access.
#include "base/limits.hpp"
#include "model/node.hpp"
#include "model/node_sandbox.hpp"
#include "model/pull_progress.hpp"
#include "model/sandbox.hpp"
#include "model/spec.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cstring>
#include <limits>
#include <set>

namespace sandboxd::model {
namespace {

template <class Enum>
struct Name {
  Enum value;
  std::string_view text;
};

template <class Enum, std::size_t N>
std::string_view name_of(const std::array<Name<Enum>, N>& names, Enum value) {
  for (const auto& name : names) {
    if (name.value == value) return name.text;
  }
  return "unknown";
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

template <class Enum, std::size_t N>
std::optional<Enum> value_of(const std::array<Name<Enum>, N>& names, std::string_view text) {
  for (const auto& name : names) {
    if (equal_ignoring_case(name.text, text)) return name.value;
  }
  return std::nullopt;
}

constexpr std::array<Name<Phase>, 10> kPhases{{{Phase::pending, "pending"},
                                               {Phase::scheduled, "scheduled"},
                                               {Phase::creating, "creating"},
                                               {Phase::running, "running"},
                                               {Phase::pausing, "pausing"},
                                               {Phase::paused, "paused"},
                                               {Phase::stopping, "stopping"},
                                               {Phase::stopped, "stopped"},
                                               {Phase::failed, "failed"},
                                               {Phase::deleting, "deleting"}}};
constexpr std::array<Name<Desired>, 4> kDesired{{{Desired::running, "running"},
                                                 {Desired::paused, "paused"},
                                                 {Desired::stopped, "stopped"},
                                                 {Desired::deleted, "deleted"}}};
constexpr std::array<Name<ContainerPhase>, 5> kContainerPhases{{{ContainerPhase::creating, "creating"},
                                                                {ContainerPhase::running, "running"},
                                                                {ContainerPhase::stopped, "stopped"},
                                                                {ContainerPhase::error, "error"},
                                                                {ContainerPhase::unknown, "unknown"}}};
constexpr std::array<Name<NodeState>, 3> kNodeStates{
    {{NodeState::unknown, "Unknown"}, {NodeState::ready, "Ready"}, {NodeState::not_ready, "NotReady"}}};
constexpr std::array<Name<Phase>, 8> kNodePhases{{{Phase::creating, "creating"},
                                                  {Phase::running, "running"},
                                                  {Phase::stopped, "stopped"},
                                                  {Phase::failed, "error"},
                                                  {Phase::deleting, "deleting"},
                                                  {Phase::paused, "paused"},
                                                  {Phase::pausing, "pausing"},
                                                  {Phase::stopping, "stopping"}}};

std::int64_t saturating_add(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) {
    return a > 0 ? std::numeric_limits<std::int64_t>::max() : std::numeric_limits<std::int64_t>::min();
  }
  return sum;
}

}  // namespace

std::string_view to_string(Phase phase) { return name_of(kPhases, phase); }
std::string_view to_string(Desired desired) { return name_of(kDesired, desired); }
std::string_view to_string(ContainerPhase phase) { return name_of(kContainerPhases, phase); }
std::string_view to_string(NodeState state) { return name_of(kNodeStates, state); }
std::string_view to_string(Protocol protocol) { return protocol == Protocol::udp ? "udp" : "tcp"; }
std::string_view to_node_text(Phase phase) { return name_of(kNodePhases, phase); }

std::optional<Phase> parse_phase(std::string_view text) { return value_of(kPhases, text); }
std::optional<Desired> parse_desired(std::string_view text) { return value_of(kDesired, text); }
std::optional<ContainerPhase> parse_container_phase(std::string_view text) { return value_of(kContainerPhases, text); }
std::optional<NodeState> parse_node_state(std::string_view text) { return value_of(kNodeStates, text); }
std::optional<Phase> parse_node_phase(std::string_view text) { return value_of(kNodePhases, text); }

std::optional<Protocol> parse_protocol(std::string_view text) {
  if (text.empty() || equal_ignoring_case(text, "tcp")) return Protocol::tcp;
  if (equal_ignoring_case(text, "udp")) return Protocol::udp;
  return std::nullopt;
}

std::int64_t total_request_cpu_milli(const SandboxSpec& spec) {
  std::int64_t total = 0;
  for (const Container& c : spec.containers)
    total = saturating_add(total, std::max<std::int64_t>(c.resources.request_cpu_milli, 0));
  return total;
}

std::int64_t total_request_memory_bytes(const SandboxSpec& spec) {
  std::int64_t total = 0;
  for (const Container& c : spec.containers)
    total = saturating_add(total, std::max<std::int64_t>(c.resources.request_memory_bytes, 0));
  return total;
}

bool is_valid_name(std::string_view text, std::size_t length_max) {
  const auto is_alnum = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  if (text.empty() || text.size() > length_max || !is_alnum(text.front())) return false;
  if (text.find("..") != std::string_view::npos) return false;
  return std::all_of(text.begin(), text.end(), [&](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
}

Result<void> validate_spec(const SandboxSpec& spec) {
  const auto invalid = [](std::string message) { return Error(ErrorCode::invalid_argument, std::move(message)); };
  if (spec.containers.empty()) return invalid("at least one container is required");
  if (spec.containers.size() > limits::kContainersPerSandboxMax) {
    return invalid("at most " + std::to_string(limits::kContainersPerSandboxMax) + " containers are allowed");
  }
  if (spec.ports.size() > limits::kPortsPerSandboxMax) {
    return invalid("at most " + std::to_string(limits::kPortsPerSandboxMax) + " ports are allowed");
  }
  std::set<std::string_view> names;
  for (const Container& container : spec.containers) {
    if (!is_valid_name(container.name, limits::kNameLengthMax)) {
      return invalid("container name \"" + container.name + "\" contains unsupported characters");
    }
    if (!names.insert(container.name).second) return invalid("duplicate container name: " + container.name);
    if (container.image.empty()) return invalid("container " + container.name + " image is required");
  }
  for (const PortSpec& port : spec.ports) {
    if (port.container_port < 1 || port.container_port > 65535) return invalid("invalid container port");
    if (!parse_protocol(port.protocol_text)) return invalid("unsupported protocol");
  }
  if (spec.ttl_seconds < 0) return invalid("ttl_seconds must be >= 0");
  return {};
}

bool holds_resources(const Sandbox& sandbox) {
  if (sandbox.node.empty()) return false;
  switch (sandbox.phase) {
    case Phase::scheduled:
    case Phase::creating:
    case Phase::running:
    case Phase::pausing:
    case Phase::paused:
    case Phase::stopping:
    case Phase::deleting: return true;
    case Phase::pending:
    case Phase::stopped:
    case Phase::failed: return false;
  }
  return false;
}

std::string base_url(const NodeAddress& address) {
  const bool ipv6 = address.ip.find(':') != std::string::npos;
  return "http://" + (ipv6 ? "[" + address.ip + "]" : address.ip) + ":" + std::to_string(address.port);
}

bool is_valid_object_id(std::string_view text) {
  if (text.empty() || text.size() > limits::kObjectIdLengthMax) return false;
  return std::none_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f || c == '/';
  });
}

Result<void> validate_address(const NodeAddress& address) {
  const auto invalid = [](const char* message) { return Error(ErrorCode::invalid_argument, message); };
  in_addr v4{};
  in6_addr v6{};
  bool is_v4 = inet_pton(AF_INET, address.ip.c_str(), &v4) == 1;
  const bool is_v6 = !is_v4 && inet_pton(AF_INET6, address.ip.c_str(), &v6) == 1;
  if (is_v6 && IN6_IS_ADDR_V4MAPPED(&v6)) {
    // "::ffff:169.254.169.254" reaches what its IPv4 address reaches.
    std::memcpy(&v4.s_addr, &v6.s6_addr[12], sizeof(v4.s_addr));
    is_v4 = true;
  }
  if (is_v4) {
    const std::uint32_t ip = ntohl(v4.s_addr);
    if (ip == 0) return invalid("unspecified ip is not allowed");
    if ((ip >> 28) == 0xe) return invalid("multicast ip is not allowed");
    if ((ip >> 16) == 0xa9fe) return invalid("link-local ip is not allowed");
  } else if (is_v6) {
    if (IN6_IS_ADDR_UNSPECIFIED(&v6)) return invalid("unspecified ip is not allowed");
    if (IN6_IS_ADDR_MULTICAST(&v6)) return invalid("multicast ip is not allowed");
    if (IN6_IS_ADDR_LINKLOCAL(&v6)) return invalid("link-local ip is not allowed");
  } else {
    return invalid("invalid ip");
  }
  if (address.port < 1 || address.port > 65535) return invalid("invalid port");
  return {};
}

std::string to_text(const PullProgress& progress) {
  constexpr std::int64_t kMiB = std::int64_t{1} << 20;
  std::string text = "pulling " + progress.image;
  if (progress.layers_total == 0) return text;
  text += ": " + std::to_string(progress.layers_done) + " of " + std::to_string(progress.layers_total) + " layers, ";
  return text + std::to_string(progress.bytes_done / kMiB) + " of " +
         std::to_string((progress.bytes_total + kMiB - 1) / kMiB) + " MiB";
}

NodeSandboxStatus status_of(const NodeSandbox& sandbox) {
  NodeSandboxStatus status;
  status.id = sandbox.id;
  status.uid = sandbox.uid;
  status.phase = sandbox.phase;
  status.ip = sandbox.ip;
  status.error = sandbox.error;
  status.desired = sandbox.desired;
  status.order = sandbox.order;
  status.own_wish = sandbox.own_wish;
  status.started_at = sandbox.started_at;
  status.ended_at = sandbox.ended_at;
  for (const NodeContainer& container : sandbox.containers) {
    ContainerStatus entry;
    entry.name = container.name;
    entry.phase = container.phase;
    entry.error = container.error;
    entry.task_status = container.task_status;
    entry.exit_code = container.exit_code;
    entry.restarts = container.restarts;
    status.containers.push_back(std::move(entry));
  }
  return status;
}

}  // namespace sandboxd::model
