#include "network/address.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace sandboxd::network {
namespace {

std::string read_file(const char* path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

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
