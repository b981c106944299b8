// An allow-list as elements of the firewall's interval sets, which take no two elements that overlap. Pure.
#pragma once

#include "model/egress.hpp"
#include "network/address.hpp"

#include <vector>

namespace sandboxd::network {

struct PortElement {
  Cidr range;
  model::Protocol protocol = model::Protocol::tcp;
  model::PortRange ports;

  friend auto operator<=>(const PortElement&, const PortElement&) = default;
};

struct EgressElements {
  std::vector<Cidr> ranges;        // open for every protocol and port; as normalised() makes them
  std::vector<PortElement> ports;  // sorted

  [[nodiscard]] bool empty() const { return ranges.empty() && ports.empty(); }
  friend bool operator==(const EgressElements&, const EgressElements&) = default;
};

// The same entries in any order, and any entries that mean the same ports, give the same elements.
[[nodiscard]] EgressElements egress_elements(const std::vector<model::EgressEntry>& entries);

}  // namespace sandboxd::network
