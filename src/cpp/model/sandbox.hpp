// The one sandbox of the system, as the control plane keeps it (design: one model, three dialects).
#pragma once

#include "base/ids.hpp"
#include "base/time.hpp"
#include "model/spec.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::model {

// What the user wants it to be.
enum class Desired { running, paused, stopped, deleted };

// What it was last observed to be. lifecycle/sandbox_fsm.hpp has the allowed moves.
enum class Phase {
  pending,    // accepted, not placed
  scheduled,  // node and ports reserved
  creating,   // the node is at work
  running,    // tasks started, policy in force, probe passed, ports published
  pausing,
  paused,
  stopping,
  stopped,  // record, exit codes and logs are kept
  failed,   // likewise; last_error says why
  deleting,
};

[[nodiscard]] std::string_view to_string(Desired desired);
[[nodiscard]] std::string_view to_string(Phase phase);
[[nodiscard]] std::optional<Desired> parse_desired(std::string_view text);
[[nodiscard]] std::optional<Phase> parse_phase(std::string_view text);

enum class ContainerPhase { creating, running, stopped, error, unknown };
[[nodiscard]] std::string_view to_string(ContainerPhase phase);
[[nodiscard]] std::optional<ContainerPhase> parse_container_phase(std::string_view text);

struct ContainerStatus {
  std::string name;
  ContainerPhase phase = ContainerPhase::creating;
  std::string error;
  std::string task_status;  // the runtime's word, such as "container_exited"
  std::optional<int> exit_code;
  std::int64_t restarts = 0;  // by the restart policy

  friend bool operator==(const ContainerStatus&, const ContainerStatus&) = default;
};

struct Sandbox {
  SandboxId id;
  std::string uid;   // 32 hex digits, new for every create: tells two lives of one id apart
  std::string name;  // unique per owner; the id by default
  std::string owner = "default";
  std::string dialect;  // which API made it: "sandboxd_o", "opensbx", "bhatti"
  SandboxSpec spec;
  Desired desired = Desired::running;
  Phase phase = Phase::pending;
  bool memory_kept = false;  // stopped or paused with its memory on disk
  NodeId node;               // empty: not placed
  std::string ip;
  std::vector<PublishedPort> ports;
  std::vector<ContainerStatus> containers;
  std::string external;  // the node's public endpoint, "(none)", or empty before placement
  std::string last_error;
  std::vector<std::string> reasons;  // one line per node while unschedulable
  WallTime created_at;
  WallTime updated_at;
  std::optional<WallTime> expires_at;
  std::optional<WallTime> running_since;
  std::optional<WallTime> ended_at;  // of the life that began at running_since
  std::int64_t revision = 0;         // of the change that made this version

  friend bool operator==(const Sandbox&, const Sandbox&) = default;
};

// True when the sandbox holds its node's CPU, memory and ports.
[[nodiscard]] bool holds_resources(const Sandbox& sandbox);

}  // namespace sandboxd::model
