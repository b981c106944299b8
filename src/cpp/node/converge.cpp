#include "node/converge.hpp"

#include "node/life_cycle.hpp"

#include <algorithm>
#include <utility>

namespace sandboxd::node {
namespace {

bool is_alive(const Found& found, const std::string& key) {
  using State = ports::FoundContainer::Task;
  const auto container = found.containers.find(key);
  if (container == found.containers.end()) return false;
  return container->second.task == State::running || container->second.task == State::paused;
}

bool is_complete(const Found& found, const std::string& slot) {
  const auto at = found.slots.find(slot);
  return at != found.slots.end() && !at->second.ip.empty();
}

// What is to be taken away: where the files are kept, a container without a task is not.
bool has_traces(const model::NodeSandbox& record, const Found& found) {
  const bool keeps = keeps_files(record);
  const auto is_trace = [&](const std::string& key) {
    const auto at = found.containers.find(key);
    if (at == found.containers.end()) return false;
    return !keeps || at->second.task != ports::FoundContainer::Task::none;
  };
  if (!record.slot.empty() && found.slots.contains(record.slot)) return true;
  if (!record.pod_key.empty() && is_trace(record.pod_key)) return true;
  return std::any_of(record.containers.begin(), record.containers.end(),
                     [&](const auto& container) { return is_trace(container.key); });
}

}  // namespace

Found index_found(std::vector<ports::FoundContainer> containers, std::vector<ports::NetworkSlot> slots) {
  Found found;
  for (auto& container : containers) {
    std::string key = container.key;
    found.containers.emplace(std::move(key), std::move(container));
  }
  for (auto& slot : slots) {
    std::string name = slot.name;
    found.slots.emplace(std::move(name), std::move(slot));
  }
  return found;
}

bool has_network(const model::NodeSandbox& record, const Found& found) {
  return is_complete(found, record.slot) && found.slots.at(record.slot).ip == record.ip;
}

std::vector<Missing> missing_containers(const model::NodeSandbox& record, const Found& found) {
  std::vector<Missing> missing;
  const auto look = [&](const std::string& key, const std::string& name) {
    if (key.empty() || is_alive(found, key)) return;
    const auto at = found.containers.find(key);
    missing.push_back({key, name, at == found.containers.end() ? std::nullopt : at->second.exit_code});
  };
  for (const auto& container : record.containers) look(container.key, container.name);
  look(record.pod_key, "pause");
  return missing;
}

Verdict judge(const model::NodeSandbox& record, const Found& found) {
  const bool alive = missing_containers(record, found).empty() && is_complete(found, record.slot);
  switch (record.phase) {
    case model::Phase::deleting: return Verdict::erase;
    case model::Phase::creating: return alive ? Verdict::resume : Verdict::redo;
    case model::Phase::stopping: return Verdict::stop;
    case model::Phase::running:
    case model::Phase::pausing:
    case model::Phase::paused: return alive ? Verdict::keep : Verdict::ended;
    case model::Phase::stopped:
    case model::Phase::failed: return has_traces(record, found) ? Verdict::release : Verdict::none;
    default: return Verdict::none;
  }
}

}  // namespace sandboxd::node
