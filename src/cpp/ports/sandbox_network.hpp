// Networks of sandboxes on this machine. Real: network/host_network. Simulated: sim/memory_network.
//
// A slot is a network namespace with an interface and an address on this instance's bridge, under deny-by-default rules
// from its first moment. Slots are made ahead (node/slot_pool) and become a sandbox's by the record in the NodeStore.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "model/spec.hpp"

#include <string>
#include <vector>

namespace sandboxd::ports {

struct NetworkSlot {
  std::string name;  // unique on the machine, starts with the instance's prefix
  std::string namespace_path;
  std::string ip;
};

class SandboxNetwork {
 public:
  virtual ~SandboxNetwork() = default;

  // Brings bridge, tables and base rules into being, or adopts those of an earlier run. Policies and published ports
  // of an earlier run stay in force. Errors: network_failed, unavailable with the command that mends it.
  [[nodiscard]] virtual Task<Result<void>> start() = 0;

  // A new slot. Everything is denied. On an error nothing is left. Errors: network_failed, resource_exhausted (no
  // address left).
  [[nodiscard]] virtual Task<Result<NetworkSlot>> make_slot(std::string name) = 0;

  // Removes policy, ports, address, interface and namespace. Success also when there is nothing.
  [[nodiscard]] virtual Task<Result<void>> destroy_slot(std::string name) = 0;

  // Every slot that exists on the machine with this instance's prefix, complete or half made.
  [[nodiscard]] virtual Task<Result<std::vector<NetworkSlot>>> list_slots() = 0;

  // Sets the slot's outgoing policy. In force when it returns. Replaces an earlier one.
  [[nodiscard]] virtual Task<Result<void>> set_egress(NetworkSlot slot, model::EgressPolicy policy) = 0;

  // Errors: "host port already in use: <port>/<proto> (<cause>)", as conflict when another program of the machine has
  // the port, as resource_exhausted when it is published for another slot.
  [[nodiscard]] virtual Task<Result<void>> check_port_free(int host_port, model::Protocol protocol) = 0;

  // Opens these host ports to the slot, from outside, from the host and on 127.0.0.1. All or none. Idempotent for the
  // same slot. Errors: those of check_port_free(), network_failed, not_found (no such slot).
  [[nodiscard]] virtual Task<Result<void>> publish(NetworkSlot slot, std::vector<model::PublishedPort> ports) = 0;

  // Closes all of the slot's ports. Idempotent.
  [[nodiscard]] virtual Task<Result<void>> unpublish(NetworkSlot slot) = 0;

  // How many addresses sandboxes can have at once, and the subnet's text ("10.89.0.0/16").
  [[nodiscard]] virtual std::int64_t usable_addresses() const = 0;
  [[nodiscard]] virtual std::string subnet() const = 0;
  [[nodiscard]] virtual std::string bridge() const = 0;
};

}  // namespace sandboxd::ports
