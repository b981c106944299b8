// The few rtnetlink calls that bridge, addresses, neighbours and limits need. Blocking, microseconds to a millisecond
// each; they act on the network namespace of the calling thread. Errors carry the kernel's errno (errno_error).
#pragma once

#include "base/result.hpp"
#include "network/address.hpp"
#include "network/bandwidth.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace sandboxd::network::rtnetlink {

struct Route {
  Cidr destination;
  std::string interface;
};

[[nodiscard]] bool link_exists(const std::string& name);
// A bridge without spanning tree and with this MAC for ever (a bridge without one of its own changes it with its
// ports). already_exists when there is an interface of that name.
[[nodiscard]] Result<void> add_bridge(const std::string& name, const std::string& mac);
// Success also when there is none.
[[nodiscard]] Result<void> delete_link(const std::string& name);
[[nodiscard]] Result<void> set_up(const std::string& name);
[[nodiscard]] Result<std::uint32_t> mtu(const std::string& name);

// Success also when the interface has it.
[[nodiscard]] Result<void> add_address(const std::string& name, Ipv4 address, int prefix_length);
// IPv4 addresses with their prefix lengths; the host bits are kept in `base`.
[[nodiscard]] Result<std::vector<Cidr>> addresses(const std::string& name);
// The main table's IPv4 routes, without default routes.
[[nodiscard]] Result<std::vector<Route>> routes();

// Makes a bridge port that speaks to the bridge only, learns nothing and gets no flooded frame: isolated, learning,
// hairpin and flooding off.
[[nodiscard]] Result<void> isolate_port(const std::string& port);
// The bridge sends frames for `mac` to `port`, without having learned it. Goes away with the port.
[[nodiscard]] Result<void> add_forwarding(const std::string& port, const std::string& mac);
// `address` is at `mac` behind `name`, without ARP. Replaces what was known.
[[nodiscard]] Result<void> add_neighbour(const std::string& name, Ipv4 address, const std::string& mac);
// Success also when there is none.
[[nodiscard]] Result<void> delete_neighbour(const std::string& name, Ipv4 address);

// What the interface sends passes this bucket and its queue. Replaces other ones.
[[nodiscard]] Result<void> set_token_bucket(const std::string& name, const TokenBucket& bucket);
// Success also when there is none.
[[nodiscard]] Result<void> remove_token_bucket(const std::string& name);

}  // namespace sandboxd::network::rtnetlink
