#include "model/egress.hpp"

#include <string>

namespace sandboxd::model {
namespace {

constexpr std::uint32_t kPortMax = 65535;

Error invalid(std::string message) { return {ErrorCode::invalid_argument, std::move(message)}; }

Error malformed() {
  return invalid(
      "must be CIDR[:PORT[-PORT]][/tcp|/udp] with an IPv4 range, such as 203.0.113.0/24, 198.51.100.7:443/tcp or "
      "198.51.100.0/24:8000-8100");
}

Result<PortRange> parse_ports(std::string_view text) {
  const auto dash = text.find('-');
  const auto first = parse_number(text.substr(0, dash), kPortMax);
  const auto last = dash == std::string_view::npos ? first : parse_number(text.substr(dash + 1), kPortMax);
  if (!first || !last || *first == 0) return invalid("ports must be between 1 and 65535");
  if (*first > *last) return invalid("the first port must not be above the last");
  return PortRange{static_cast<int>(*first), static_cast<int>(*last)};
}

Result<void> validate_entry(std::string_view text) {
  SBX_TRY(entry, parse_egress_entry(text));
  for (const Cidr& blocked : blocked_ranges()) {
    if (!blocked.contains(entry.range)) continue;
    return invalid("lies in " + to_text(blocked) +
                   ": private and special addresses stay blocked in every mode, so this entry would open nothing");
  }
  return {};
}

}  // namespace

Result<EgressEntry> parse_egress_entry(std::string_view text) {
  EgressEntry entry;
  for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
    const std::string ending = "/" + std::string(to_string(protocol));
    if (!text.ends_with(ending)) continue;
    entry.protocol = protocol;
    text.remove_suffix(ending.size());
    break;
  }
  const auto colon = text.find(':');
  // More than one colon is an IPv6 address rather than a port.
  if (colon != std::string_view::npos && text.find(':', colon + 1) != std::string_view::npos) return malformed();
  const auto range = parse_cidr(text.substr(0, colon));
  if (!range) return malformed();
  entry.range = *range;
  if (colon == std::string_view::npos) return entry;
  SBX_TRY(ports, parse_ports(text.substr(colon + 1)));
  entry.ports = ports;
  return entry;
}

const std::vector<Cidr>& blocked_ranges() {
  static const std::vector<Cidr> ranges = [] {
    std::vector<Cidr> made;
    for (const char* text :
         {"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
          "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4"})
      made.push_back(parse_cidr(text).value_or(Cidr{}));
    return made;
  }();
  return ranges;
}

Result<void> validate_egress(const EgressPolicy& policy, const EgressFieldNames& names) {
  const std::string entries(names.entries);
  if (policy.mode != EgressMode::allow_list && !policy.allow_cidrs.empty())
    return invalid(entries + " needs " + std::string(names.mode) + " allow_list");
  if (policy.allow_cidrs.size() > kEgressEntriesMax)
    return invalid(entries + " must have at most " + std::to_string(kEgressEntriesMax) + " entries");
  for (std::size_t i = 0; i < policy.allow_cidrs.size(); ++i) {
    if (const auto valid = validate_entry(policy.allow_cidrs[i]); !valid)
      return invalid(entries + "[" + std::to_string(i) + "] \"" + policy.allow_cidrs[i] +
                     "\": " + valid.error().message());
  }
  const std::int64_t bandwidth = policy.bandwidth_bits_per_second;
  if (bandwidth < 0 || (bandwidth > 0 && bandwidth < kBandwidthMin))
    return invalid(std::string(names.bandwidth) + " must be 0 (unlimited) or at least " +
                   std::to_string(kBandwidthMin));
  return {};
}

}  // namespace sandboxd::model
