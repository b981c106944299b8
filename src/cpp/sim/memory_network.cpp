#include "sim/memory_network.hpp"

#include "model/egress.hpp"
#include "model/host_port.hpp"
#include "sim/latency.hpp"

#include <algorithm>
#include <utility>

namespace sandboxd::sim {
namespace {

std::string port_text(const MemoryNetworkMachine::HostPort& port) {
  return std::to_string(port.first) + "/" + std::string(model::to_string(port.second));
}

Error in_use(const MemoryNetworkMachine::HostPort& port, std::string_view cause) {
  return Error(ErrorCode::resource_exhausted, model::host_port_in_use(port.first, port.second, cause));
}

Error of_another_program(const MemoryNetworkMachine::HostPort& port) {
  return Error(ErrorCode::conflict, model::host_port_in_use(port.first, port.second, "bind: Address already in use"));
}

Result<void> check_entries(const model::EgressPolicy& policy) {
  if (policy.mode != model::EgressMode::allow_list) return {};
  for (const std::string& text : policy.allow_cidrs) {
    if (const auto entry = model::parse_egress_entry(text); !entry)
      return entry.error().with_context("egress entry \"" + text + "\"");
  }
  return {};
}

MemoryNetworkMachine::HostPort key_of(const model::PublishedPort& port) { return {port.host_port, port.protocol}; }

}  // namespace

std::vector<std::string> MemoryNetworkMachine::violations() const {
  std::vector<std::string> found;
  std::map<std::string, std::string> addresses;
  std::size_t open_ports = 0;
  for (const auto& [name, slot] : slots) {
    if (!slot.ip.empty() && !addresses.emplace(slot.ip, name).second)
      found.push_back("slots " + name + " and " + addresses[slot.ip] + " have the address " + slot.ip);
    if (!slot.bound && (!slot.ports.empty() || slot.egress.mode != model::EgressMode::none))
      found.push_back("slot " + name + " has rules but is not complete");
    for (const model::PublishedPort& port : slot.ports) {
      ++open_ports;
      const auto owner = owners.find(key_of(port));
      if (owner == owners.end() || owner->second != name)
        found.push_back("port " + port_text(key_of(port)) + " of slot " + name + " belongs to another");
    }
  }
  if (open_ports != owners.size()) found.push_back("a published port belongs to no slot");
  return found;
}

bool MemoryNetworkMachine::is_open(const std::string& slot, const model::PublishedPort& port) const {
  const auto found = slots.find(slot);
  if (found == slots.end()) return false;
  return std::find(found->second.ports.begin(), found->second.ports.end(), port) != found->second.ports.end();
}

MemoryNetwork::MemoryNetwork(ports::Clock& clock, std::shared_ptr<MemoryNetworkMachine> machine,
                             MemoryNetworkOptions options)
    : clock_(clock), machine_(std::move(machine)), options_(std::move(options)) {}

void MemoryNetwork::fail(std::string method, int nth, Error error) {
  failures_[std::move(method)].emplace_back(nth, std::move(error));
}

bool MemoryNetwork::forwards(int host_port, model::Protocol protocol) const {
  return forwarded_.contains({host_port, protocol});
}

Result<void> MemoryNetwork::planned_failure(const std::string& method) {
  Result<void> outcome;
  auto& plans = failures_[method];
  for (auto plan = plans.begin(); plan != plans.end();) {
    if (--plan->first > 0) {
      ++plan;
      continue;
    }
    outcome = std::move(plan->second);
    plan = plans.erase(plan);
  }
  return outcome;
}

Result<void> MemoryNetwork::known_slot(const ports::NetworkSlot& slot) const {
  const auto found = machine_->slots.find(slot.name);
  if (found != machine_->slots.end() && found->second.bound && found->second.ip == slot.ip) return {};
  return Error(ErrorCode::not_found, "network slot " + slot.name + " with the address " + slot.ip + " does not exist");
}

Result<void> MemoryNetwork::check_name(const std::string& name) const {
  if (name.size() == options_.slot_prefix.size() + 8 && name.starts_with(options_.slot_prefix)) return {};
  return Error(ErrorCode::invalid_argument, "\"" + name + "\" is not the name of a slot");
}

// Like host-local: onwards from the last one given, so that an address rests before it is used again.
Result<std::string> MemoryNetwork::take_address() {
  for (std::uint32_t tried = 0; tried < options_.addresses; ++tried) {
    const std::uint32_t offset = 2 + machine_->next_address;
    machine_->next_address = (machine_->next_address + 1) % options_.addresses;
    std::string ip = "10.89." + std::to_string(offset / 256) + "." + std::to_string(offset % 256);
    if (machine_->given.insert(ip).second) return ip;
  }
  return Error(ErrorCode::resource_exhausted, "no IP addresses available in " + subnet());
}

void MemoryNetwork::close_ports(const std::string& name) {
  const auto found = machine_->slots.find(name);
  if (found == machine_->slots.end()) return;
  for (const model::PublishedPort& port : found->second.ports) {
    machine_->owners.erase(key_of(port));
    forwarded_.erase(key_of(port));
  }
  found->second.ports.clear();
}

Task<Result<void>> MemoryNetwork::start() {
  co_await take_time(clock_, options_.rule_latency);
  co_return planned_failure("start");
}

Task<Result<ports::NetworkSlot>> MemoryNetwork::make_slot(std::string name) {
  SBX_CO_CHECK(check_name(name));
  if (machine_->slots.contains(name)) co_return Error(ErrorCode::already_exists, "network slot " + name + " exists");
  auto machine = machine_;
  // The half-made slot is on the machine meanwhile: a simulated crash here leaves it.
  machine->slots[name] = MemoryNetworkMachine::Slot{};
  co_await take_time(clock_, options_.make_latency);
  auto planned = planned_failure("make_slot");
  auto address = planned ? take_address() : Result<std::string>(std::move(planned).error());
  if (!address) {
    machine->slots.erase(name);
    co_return std::move(address).error();
  }
  machine->slots[name].ip = *address;
  machine->slots[name].bound = true;
  ports::NetworkSlot slot;
  slot.namespace_path = "/run/netns/" + name;
  slot.name = std::move(name);
  slot.ip = *std::move(address);
  co_return slot;
}

Task<Result<void>> MemoryNetwork::destroy_slot(std::string name) {
  SBX_CO_CHECK(check_name(name));
  co_await take_time(clock_, options_.rule_latency);
  SBX_CO_CHECK(planned_failure("destroy_slot"));
  close_ports(name);
  if (const auto found = machine_->slots.find(name); found != machine_->slots.end()) {
    found->second.egress = {};
    found->second.bound = false;
  }
  co_await take_time(clock_, options_.destroy_latency);
  if (const auto found = machine_->slots.find(name); found != machine_->slots.end()) {
    machine_->given.erase(found->second.ip);
    machine_->slots.erase(found);
  }
  co_return Result<void>();
}

Task<Result<std::vector<ports::NetworkSlot>>> MemoryNetwork::list_slots() {
  co_await take_time(clock_, options_.rule_latency);
  SBX_CO_CHECK(planned_failure("list_slots"));
  std::vector<ports::NetworkSlot> slots;
  for (const auto& [name, kept] : machine_->slots) {
    if (!check_name(name)) continue;
    ports::NetworkSlot slot;
    slot.name = name;
    slot.namespace_path = "/run/netns/" + name;
    slot.ip = kept.bound ? kept.ip : "";
    slots.push_back(std::move(slot));
  }
  co_return slots;
}

Task<Result<void>> MemoryNetwork::set_egress(ports::NetworkSlot slot, model::EgressPolicy policy) {
  co_await take_time(clock_, options_.rule_latency);
  SBX_CO_CHECK(planned_failure("set_egress"));
  SBX_CO_CHECK(known_slot(slot));
  SBX_CO_CHECK(check_entries(policy));
  machine_->slots[slot.name].egress = std::move(policy);
  co_return Result<void>();
}

Result<void> MemoryNetwork::check_free(const MemoryNetworkMachine::HostPort& port, const std::string& slot) const {
  if (machine_->foreign_ports.contains(port)) return of_another_program(port);
  const auto owner = machine_->owners.find(port);
  if (owner == machine_->owners.end() || owner->second == slot) return {};
  return in_use(port, "published for sandbox address " + machine_->slots.at(owner->second).ip);
}

Task<Result<void>> MemoryNetwork::check_port_free(int host_port, model::Protocol protocol) {
  SBX_CO_CHECK(planned_failure("check_port_free"));
  co_return check_free({host_port, protocol}, "");
}

Task<Result<void>> MemoryNetwork::publish(ports::NetworkSlot slot, std::vector<model::PublishedPort> ports) {
  co_await take_time(clock_, options_.rule_latency);
  SBX_CO_CHECK(planned_failure("publish"));
  SBX_CO_CHECK(known_slot(slot));
  auto& open = machine_->slots[slot.name].ports;
  std::map<MemoryNetworkMachine::HostPort, model::PublishedPort> targets;
  for (const model::PublishedPort& port : open) targets[key_of(port)] = port;
  for (const model::PublishedPort& port : ports) {
    SBX_CO_CHECK(check_free(key_of(port), slot.name));
    const auto [known, added] = targets.emplace(key_of(port), port);
    if (!added && known->second != port) co_return in_use(key_of(port), "published for sandbox address " + slot.ip);
  }
  open.clear();
  for (const auto& [key, port] : targets) {
    open.push_back(port);
    machine_->owners[key] = slot.name;
  }
  for (const model::PublishedPort& port : ports) forwarded_.insert(key_of(port));
  co_return Result<void>();
}

Task<Result<void>> MemoryNetwork::unpublish(ports::NetworkSlot slot) {
  co_await take_time(clock_, options_.rule_latency);
  SBX_CO_CHECK(planned_failure("unpublish"));
  close_ports(slot.name);
  co_return Result<void>();
}

}  // namespace sandboxd::sim
