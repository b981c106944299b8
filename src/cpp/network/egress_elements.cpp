#include "network/egress_elements.hpp"

#include <algorithm>
#include <map>

namespace sandboxd::network {
namespace {

using model::PortRange;
using model::Protocol;
using PortsByRange = std::map<Cidr, std::vector<PortRange>>;

// Sorted, and what overlaps or touches made one.
std::vector<PortRange> merged_ports(std::vector<PortRange> ports) {
  std::sort(ports.begin(), ports.end());
  std::vector<PortRange> out;
  for (const PortRange& next : ports) {
    if (!out.empty() && next.first <= out.back().last + 1) {
      out.back().last = std::max(out.back().last, next.last);
    } else {
      out.push_back(next);
    }
  }
  return out;
}

// `ports` without those of `taken`, both as merged_ports() makes them.
std::vector<PortRange> without(const std::vector<PortRange>& ports, const std::vector<PortRange>& taken) {
  std::vector<PortRange> out;
  for (PortRange rest : ports) {
    for (const PortRange& gone : taken) {
      if (gone.last < rest.first || gone.first > rest.last) continue;
      if (gone.first > rest.first) out.push_back({rest.first, gone.first - 1});
      rest.first = gone.last + 1;
    }
    if (rest.first <= rest.last) out.push_back(rest);
  }
  return out;
}

// Of two ranges one contains the other or they have nothing in common, so a range keeps the ports that no wider one
// has.
void add_disjoint(const PortsByRange& asked, Protocol protocol, std::vector<PortElement>& out) {
  for (const auto& [range, ports] : asked) {
    std::vector<PortRange> wider;
    for (const auto& [other, others] : asked) {
      if (other != range && other.contains(range)) wider.insert(wider.end(), others.begin(), others.end());
    }
    for (const PortRange& kept : without(merged_ports(ports), merged_ports(std::move(wider))))
      out.push_back({range, protocol, kept});
  }
}

}  // namespace

EgressElements egress_elements(const std::vector<model::EgressEntry>& entries) {
  EgressElements out;
  std::map<Protocol, PortsByRange> asked;
  for (const model::EgressEntry& entry : entries) {
    if (!entry.ports && !entry.protocol) {
      out.ranges.push_back(entry.range);
      continue;
    }
    for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
      if (entry.protocol.value_or(protocol) != protocol) continue;
      for (const Cidr& range : normalised({entry.range})) {
        asked[protocol][range].push_back(entry.ports.value_or(PortRange{}));
      }
    }
  }
  out.ranges = normalised(std::move(out.ranges));
  for (const auto& [protocol, ranges] : asked) add_disjoint(ranges, protocol, out.ports);
  std::sort(out.ports.begin(), out.ports.end());
  return out;
}

}  // namespace sandboxd::network
