// What an egress policy may say, and its allow-list entries as values. Pure; used by every dialect and by the networks.
//
//   CIDR[:PORT[-PORT]][/tcp|/udp]     203.0.113.0/24    198.51.100.7:443/tcp    198.51.100.0/24:8000-8100
//
// A plain address is a /32. Without a port every port, without a protocol tcp and udp; with neither, every protocol.
#pragma once

#include "base/result.hpp"
#include "model/ipv4.hpp"
#include "model/spec.hpp"

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace sandboxd::model {

inline constexpr std::size_t kEgressEntriesMax = 64;
inline constexpr std::int64_t kBandwidthMin = 64'000;  // bits a second; below it a TCP connection hardly gets going

struct PortRange {
  int first = 0;
  int last = 65535;

  friend auto operator<=>(const PortRange&, const PortRange&) = default;
};

struct EgressEntry {
  Cidr range;
  std::optional<PortRange> ports;    // nothing: all
  std::optional<Protocol> protocol;  // nothing: tcp and udp, and without ports every protocol

  friend bool operator==(const EgressEntry&, const EgressEntry&) = default;
};

// invalid_argument says what is wrong with the entry.
[[nodiscard]] Result<EgressEntry> parse_egress_entry(std::string_view text);

// Destinations that no policy opens: private, shared, link-local (with the metadata address), benchmark, multicast and
// reserved addresses of the special-purpose address registry (RFC 6890).
[[nodiscard]] const std::vector<Cidr>& blocked_ranges();

// What a dialect calls the fields.
struct EgressFieldNames {
  std::string_view mode;
  std::string_view entries;
  std::string_view bandwidth;
};

// invalid_argument names the field, and the entry with its place in the list.
[[nodiscard]] Result<void> validate_egress(const EgressPolicy& policy, const EgressFieldNames& names);

}  // namespace sandboxd::model
