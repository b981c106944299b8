// What this module does with IPv4 addresses and ranges. Pure but for host_dns_servers().
#pragma once

#include "model/ipv4.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::network {

using model::Cidr;
using model::Ipv4;
using model::parse_cidr;
using model::parse_ipv4;
using model::to_text;

// Sorted, without ranges that lie inside another, and 0.0.0.0/0 as two halves: what an nft interval set accepts (it
// refuses overlaps) and prints back unchanged.
[[nodiscard]] std::vector<Cidr> normalised(std::vector<Cidr> ranges);

// The IPv4 name servers of a resolv.conf text, in order, without loopback ones.
[[nodiscard]] std::vector<std::string> parse_dns_servers(std::string_view resolv_conf);
// Of this host: /etc/resolv.conf, or systemd-resolved's own file when that has loopback servers only.
[[nodiscard]] std::vector<std::string> host_dns_servers();

}  // namespace sandboxd::network
