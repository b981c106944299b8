#include "network/address.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

namespace sandboxd::network {
namespace {

constexpr std::uint32_t mask_of(int length) { return length == 0 ? 0 : ~std::uint32_t{0} << (32 - length); }

// A decimal number of at most `max`, without signs and leading zeros.
std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t max) {
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  std::uint32_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || end != text.data() + text.size() || number > max) return std::nullopt;
  return number;
}

std::string read_file(const char* path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

std::string to_text(Ipv4 address) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) {
    text += std::to_string((address.value >> shift) & 0xff);
    if (shift > 0) text += '.';
  }
  return text;
}

std::optional<Ipv4> parse_ipv4(std::string_view text) {
  Ipv4 address;
  for (int part = 0; part < 4; ++part) {
    const auto dot = part < 3 ? text.find('.') : text.size();
    if (dot == std::string_view::npos) return std::nullopt;
    const auto number = parse_number(text.substr(0, dot), 255);
    if (!number) return std::nullopt;
    address.value = address.value << 8 | *number;
    text.remove_prefix(part < 3 ? dot + 1 : dot);
  }
  return address;
}

bool Cidr::contains(Ipv4 address) const { return (address.value & mask_of(length)) == base.value; }
bool Cidr::contains(const Cidr& other) const { return length <= other.length && contains(other.base); }
bool Cidr::overlaps(const Cidr& other) const { return contains(other) || other.contains(*this); }
std::int64_t Cidr::size() const { return std::int64_t{1} << (32 - length); }

std::string to_text(const Cidr& range) { return to_text(range.base) + "/" + std::to_string(range.length); }

std::optional<Cidr> parse_cidr(std::string_view text) {
  Cidr range;
  const auto slash = text.find('/');
  const auto address = parse_ipv4(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash != std::string_view::npos) {
    const auto length = parse_number(text.substr(slash + 1), 32);
    if (!length) return std::nullopt;
    range.length = static_cast<int>(*length);
  }
  range.base.value = address->value & mask_of(range.length);
  return range;
}

std::vector<Cidr> normalised(std::vector<Cidr> ranges) {
  std::sort(ranges.begin(), ranges.end());  // of two with the same base, the wider comes first
  std::vector<Cidr> kept;
  for (const Cidr& range : ranges) {
    if (kept.empty() || !kept.back().contains(range)) kept.push_back(range);
  }
  if (kept.size() == 1 && kept.front().length == 0) return {Cidr{Ipv4{0}, 1}, Cidr{Ipv4{0x80000000}, 1}};
  return kept;
}

std::vector<std::string> parse_dns_servers(std::string_view resolv_conf) {
  constexpr Cidr kLoopback{Ipv4{127u << 24}, 8};
  std::vector<std::string> servers;
  std::istringstream lines{std::string(resolv_conf)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string keyword;
    std::string server;
    words >> keyword >> server;
    const auto address = keyword == "nameserver" ? parse_ipv4(server) : std::nullopt;
    if (!address || kLoopback.contains(*address)) continue;
    if (std::find(servers.begin(), servers.end(), server) == servers.end()) servers.push_back(server);
  }
  return servers;
}

std::vector<std::string> host_dns_servers() {
  auto servers = parse_dns_servers(read_file("/etc/resolv.conf"));
  if (servers.empty()) servers = parse_dns_servers(read_file("/run/systemd/resolve/resolv.conf"));
  return servers;
}

}  // namespace sandboxd::network
