#include "node/agent_core.hpp"

#include <algorithm>
#include <utility>

namespace sandboxd::node {

AgentCore::AgentCore(boost::asio::any_io_executor executor_in, AgentPorts ports_in, AgentOptions options_in)
    : executor(executor_in),
      ports(ports_in),
      options(std::move(options_in)),
      random(options.seed),
      boot_id(random.hex(32)),
      table(executor, ports.clock, ports.store),
      pool(executor, ports.clock, ports.network, random,
           {.instance = options.config.instance,
            .size = static_cast<std::size_t>(options.config.slot_pool_size),
            .addresses_used = [this] { return table.usage().addresses; }}),
      hub(executor),
      making(executor, static_cast<std::size_t>(options.config.provision_parallel)),
      tasks(executor) {
  capacity.host = options.host;
  capacity.max_alloc_percent = options.config.max_alloc_percent;
}

void AgentCore::reached(std::string_view step, const SandboxId& sandbox) const {
  if (ports.steps != nullptr) ports.steps->reached(step, sandbox);
}

std::vector<model::PullProgress> AgentCore::pulls_of(const Entry& entry) const {
  std::vector<model::PullProgress> out;
  if (entry.record.phase != model::Phase::creating) return out;
  for (const auto& container : entry.record.spec.containers) {
    auto progress = ports.runtime.pull_progress(container.image);
    // Several containers may wait for one image.
    if (progress && std::find(out.begin(), out.end(), *progress) == out.end()) out.push_back(*std::move(progress));
  }
  return out;
}

void AgentCore::announce(Entry& entry) {
  if (entry.gone || !entry.accepted) return;
  entry.changed.notify();
  const bool is_over = entry.record.phase == model::Phase::stopped || entry.record.phase == model::Phase::failed;
  if (is_over) end_log_follows(entry);
  hub.publish(model::status_of(entry.record));
  const Usage& now = table.usage();
  if (now.cpu_milli != reported.cpu_milli || now.memory_bytes != reported.memory_bytes) announce_report();
}

void AgentCore::announce_gone(const SandboxId& id, const std::string& uid) {
  hub.publish(ports::NodeSandboxGone{id, uid});
  announce_report();
}

model::NodeReport AgentCore::report() const {
  model::NodeReport out{boot_id, resources_of(capacity, table.usage(), ports.clock.wall_now()), images.list()};
  if (ports.disk == nullptr) return out;
  if (const auto space = ports.disk->read()) {  // without it the disk counts as unknown, and so as no limit
    out.resources.disk_capacity_bytes = space->capacity_bytes;
    out.resources.disk_free_bytes = space->free_bytes;
  }
  return out;
}

void AgentCore::announce_report() {
  reported = table.usage();
  model::NodeReport next = report();
  if (!images.take_changed()) next.images.reset();
  hub.publish(std::move(next));
}

}  // namespace sandboxd::node
