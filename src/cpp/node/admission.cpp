#include "node/admission.hpp"

#include "model/host_port.hpp"

#include <algorithm>
#include <limits>
#include <string>

namespace sandboxd::node {
namespace {

Result<void> admit_ports(const model::NodeCreateRequest& request, const SandboxTable& table) {
  for (const model::PublishedPort& port : request.ports) {
    const EntryPtr* holder = table.port_holder({port.host_port, port.protocol});
    if (holder == nullptr) continue;
    const std::string cause = "sandbox " + (*holder)->id().str();
    return Error(ErrorCode::resource_exhausted, (*holder)->accepted
                                                    ? model::host_port_in_use(port.host_port, port.protocol, cause)
                                                    : model::host_port_reserved(port.host_port, port.protocol, cause));
  }
  return {};
}

Result<void> check_quantity(const model::Container& container, const char* what, const model::Amount& amount) {
  if (amount.value > 0) return {};
  const std::string cause =
      amount.text.empty() ? std::string(what) + " is required" : "invalid " + std::string(what) + ": " + amount.text;
  return Error(ErrorCode::invalid_argument, "container " + container.name + " resource parse failed: " + cause);
}

Result<void> check_quantities(const model::SandboxSpec& spec) {
  for (const model::Container& container : spec.containers) {
    SBX_CHECK(check_quantity(container, "cpu", container.resources.limit_cpu_milli));
    SBX_CHECK(check_quantity(container, "memory", container.resources.limit_memory_bytes));
    const model::Amount& storage = container.resources.ephemeral_storage_bytes;
    if (!storage.text.empty()) SBX_CHECK(check_quantity(container, "ephemeralStorage", storage));
  }
  return {};
}

Result<void> admit_amount(const char* what, const char* unit, std::int64_t requested, std::int64_t used,
                          std::int64_t limit, std::int64_t percent) {
  // Written so that a saturated request cannot overflow.
  if (requested <= limit - used) return {};
  const auto text = [&](std::int64_t value) { return std::to_string(value) + unit; };
  return Error(ErrorCode::resource_exhausted,
               std::string("insufficient ") + what + " allocatable: requested=" + text(requested) +
                   " used=" + text(used) + " limit=" + text(limit) + " (" + std::to_string(percent) + "% of host)");
}

}  // namespace

std::int64_t allocatable(std::int64_t capacity, std::int64_t percent) {
  return capacity / 100 * percent + capacity % 100 * percent / 100;
}

model::NodeResources resources_of(const Capacity& capacity, const Usage& usage, WallTime now) {
  model::NodeResources out;
  out.capacity_cpu_milli = capacity.host.cpu_count * 1000;
  out.capacity_memory_bytes = capacity.host.memory_bytes;
  out.allocatable_cpu_milli = allocatable(out.capacity_cpu_milli, capacity.max_alloc_percent);
  out.allocatable_memory_bytes = allocatable(out.capacity_memory_bytes, capacity.max_alloc_percent);
  out.used_cpu_milli = usage.cpu_milli;
  out.used_memory_bytes = usage.memory_bytes;
  out.available_cpu_milli = std::max<std::int64_t>(0, out.allocatable_cpu_milli - usage.cpu_milli);
  out.available_memory_bytes = std::max<std::int64_t>(0, out.allocatable_memory_bytes - usage.memory_bytes);
  out.max_alloc_percent = capacity.max_alloc_percent;
  out.updated_at = now;
  return out;
}

Result<void> admit(const model::NodeCreateRequest& request, const SandboxTable& table, const Capacity& capacity) {
  SBX_CHECK(admit_ports(request, table));
  SBX_CHECK(check_quantities(request.spec));
  const Usage& usage = table.usage();
  const model::NodeResources have = resources_of(capacity, usage, {});
  SBX_CHECK(admit_amount("cpu", "m", model::total_request_cpu_milli(request.spec), usage.cpu_milli,
                         have.allocatable_cpu_milli, capacity.max_alloc_percent));
  SBX_CHECK(admit_amount("memory", "", model::total_request_memory_bytes(request.spec), usage.memory_bytes,
                         have.allocatable_memory_bytes, capacity.max_alloc_percent));
  if (usage.addresses >= capacity.usable_addresses)
    return Error(ErrorCode::resource_exhausted, "insufficient ip addresses in subnet " + capacity.subnet +
                                                    ": in_use=" + std::to_string(usage.addresses) +
                                                    " usable=" + std::to_string(capacity.usable_addresses));
  return {};
}

Result<void> admit_storage(const model::SandboxSpec& spec, std::int64_t default_bytes, const ports::DiskSpace& disk) {
  std::int64_t requested = 0;
  for (const model::Container& container : spec.containers) {
    const std::int64_t asked = container.resources.ephemeral_storage_bytes.value;
    if (__builtin_add_overflow(requested, asked > 0 ? asked : default_bytes, &requested))
      requested = std::numeric_limits<std::int64_t>::max();
  }
  if (requested <= disk.free_bytes) return {};
  return Error(ErrorCode::resource_exhausted, "insufficient disk space: requested=" + std::to_string(requested) +
                                                  " free=" + std::to_string(disk.free_bytes) +
                                                  ": delete sandboxes or images, or ask for less ephemeral storage");
}

}  // namespace sandboxd::node
