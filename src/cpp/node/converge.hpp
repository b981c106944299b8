// Records against machine: what a sandbox needs after the agent was away. Pure.
#pragma once

#include "model/node_sandbox.hpp"
#include "ports/sandbox_network.hpp"
#include "ports/sandbox_runtime.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sandboxd::node {

// What the machine has, by container key and by slot name.
struct Found {
  std::map<std::string, ports::FoundContainer> containers;
  std::map<std::string, ports::NetworkSlot> slots;
};
[[nodiscard]] Found index_found(std::vector<ports::FoundContainer> containers, std::vector<ports::NetworkSlot> slots);

enum class Verdict {
  none,     // nothing to do
  keep,     // it runs: restore what lived in the agent's process
  ended,    // it was running and does not any more
  resume,   // half made, but all containers run: go on with the probe
  redo,     // half made: take down what is there and start again
  release,  // ended, but parts of it are still on the machine
  erase,    // a deletion was under way
  stop,     // a stop was under way
};

[[nodiscard]] Verdict judge(const model::NodeSandbox& record, const Found& found);

// The containers (and the pause container) that do not run, with their exit codes where known.
struct Missing {
  std::string key;
  std::string name;
  std::optional<int> exit_code;
};
// Its network is there, with the address that the record says.
[[nodiscard]] bool has_network(const model::NodeSandbox& record, const Found& found);
[[nodiscard]] std::vector<Missing> missing_containers(const model::NodeSandbox& record, const Found& found);

}  // namespace sandboxd::node
