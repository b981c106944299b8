// IPv4 addresses and ranges as values.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sandboxd::model {

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

// A decimal number of at most `max`, without signs and leading zeros.
[[nodiscard]] std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t max);

}  // namespace sandboxd::model
