// IPv4 addresses and ranges as values. Pure but for host_dns_servers().
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::network {

struct Ipv4 {
  std::uint32_t value = 0;  // host byte order

  friend auto operator<=>(Ipv4, Ipv4) = default;
};

[[nodiscard]] std::string to_text(Ipv4 address);
[[nodiscard]] std::optional<Ipv4> parse_ipv4(std::string_view text);  // dotted quad, no leading zeros

struct Cidr {
  Ipv4 base;  // host bits are zero
  int length = 32;

  [[nodiscard]] bool contains(Ipv4 address) const;
  [[nodiscard]] bool contains(const Cidr& other) const;
  [[nodiscard]] bool overlaps(const Cidr& other) const;
  [[nodiscard]] Ipv4 at(std::uint32_t offset) const { return {base.value + offset}; }
  // 2^(32-length), without any reservation.
  [[nodiscard]] std::int64_t size() const;

  friend auto operator<=>(const Cidr&, const Cidr&) = default;
};

[[nodiscard]] std::string to_text(const Cidr& range);
// "10.0.0.0/8" or a plain address; host bits are cleared.
[[nodiscard]] std::optional<Cidr> parse_cidr(std::string_view text);

// Sorted, without ranges that lie inside another, and 0.0.0.0/0 as two halves: what an nft interval set accepts (it
// refuses overlaps) and prints back unchanged.
[[nodiscard]] std::vector<Cidr> normalised(std::vector<Cidr> ranges);

// The IPv4 name servers of a resolv.conf text, in order, without loopback ones.
[[nodiscard]] std::vector<std::string> parse_dns_servers(std::string_view resolv_conf);
// Of this host: /etc/resolv.conf, or systemd-resolved's own file when that has loopback servers only.
[[nodiscard]] std::vector<std::string> host_dns_servers();

}  // namespace sandboxd::network
