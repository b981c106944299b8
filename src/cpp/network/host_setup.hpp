// What HostNetwork does with the kernel apart from nftables, as blocking functions for its system pool.
#pragma once

#include "base/result.hpp"
#include "model/spec.hpp"
#include "network/address.hpp"
#include "network/ledger.hpp"

#include <string>
#include <string_view>

namespace sandboxd::network {

// Makes or adopts the bridge with `gateway`, and lets the host forward. network_failed names the interface whose route
// overlaps the subnet and the setting to change.
[[nodiscard]] Result<void> prepare_bridge(const std::string& bridge, const Cidr& subnet, Ipv4 gateway);

// A locally administered MAC that depends on the bridge's name only, so that neighbours of an earlier run stay right.
[[nodiscard]] std::string bridge_mac(std::string_view bridge);

// Binds the slot's port on the link level: isolated, with a fixed forwarding entry and neighbour, so that the first
// packet to a fresh slot needs neither ARP nor learning. network_failed when the port is not on `bridge`.
[[nodiscard]] Result<void> bind_port(const std::string& bridge, const Binding& binding);
void release_address(const std::string& bridge, Ipv4 address);

// Tries to take the port on every address of the host.
[[nodiscard]] Result<void> try_host_port(int host_port, model::Protocol protocol);

}  // namespace sandboxd::network
