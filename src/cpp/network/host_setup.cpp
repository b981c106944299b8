#include "network/host_setup.hpp"

#include "network/conntrack.hpp"
#include "network/loopback_forwarder.hpp"
#include "network/rtnetlink.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace sandboxd::network {
namespace {

// Writes only what differs: some settings reset others when written.
Result<void> set_kernel(const std::string& path, const std::string& value) {
  std::string now;
  std::ifstream(path) >> now;
  if (now == value) return {};
  errno = 0;
  std::ofstream file(path);
  file << value << std::flush;
  if (file) return {};
  return errno_error(errno == 0 ? EIO : errno, "set " + path + " to " + value + " (is /proc/sys writable?)",
                     ErrorCode::network_failed);
}

Result<void> check_subnet_is_free(const std::string& bridge, const Cidr& subnet) {
  SBX_TRY(routes, rtnetlink::routes());
  for (const rtnetlink::Route& route : routes) {
    if (route.interface == bridge || !subnet.overlaps(route.destination)) continue;
    return Error(ErrorCode::network_failed, "subnet " + to_text(subnet) + " overlaps the route " +
                                                to_text(route.destination) + " of interface " + route.interface +
                                                ": set subnet_cidr to a private range that this host does not use");
  }
  return {};
}

// An earlier run's bridge has exactly our address; anybody else's has another.
Result<void> check_bridge_is_ours(const std::string& bridge, const Cidr& subnet, Ipv4 gateway) {
  std::error_code failure;
  if (!std::filesystem::exists("/proc/sys/net/ipv4/conf/" + bridge, failure)) return {};
  SBX_TRY(addresses, rtnetlink::addresses(bridge));
  for (const Cidr& address : addresses) {
    if (address == Cidr{gateway, subnet.length}) continue;
    return Error(ErrorCode::network_failed,
                 "interface " + bridge + " exists with the address " + to_text(address) + " instead of " +
                     to_text(Cidr{gateway, subnet.length}) +
                     ": set bridge_interface or instance to a name that is free, or remove it: ip link delete " +
                     bridge);
  }
  return {};
}

}  // namespace

std::string bridge_mac(std::string_view bridge) {
  std::uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (const char c : bridge) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  char text[18];
  std::snprintf(text, sizeof text, "02:%02x:%02x:%02x:%02x:%02x", static_cast<unsigned>(hash & 0xff),
                static_cast<unsigned>(hash >> 8 & 0xff), static_cast<unsigned>(hash >> 16 & 0xff),
                static_cast<unsigned>(hash >> 24 & 0xff), static_cast<unsigned>(hash >> 32 & 0xff));
  return text;
}

Result<void> prepare_bridge(const std::string& bridge, const Cidr& subnet, Ipv4 gateway) {
  SBX_CHECK(check_subnet_is_free(bridge, subnet));
  if (rtnetlink::link_exists(bridge)) SBX_CHECK(check_bridge_is_ours(bridge, subnet, gateway));
  if (auto made = rtnetlink::add_bridge(bridge, bridge_mac(bridge));
      !made && made.error().code() != ErrorCode::already_exists)
    return made;
  // Before it is up, so that it never has an IPv6 address. A kernel without IPv6 has no such file.
  const std::string ipv6 = "/proc/sys/net/ipv6/conf/" + bridge;
  if (std::filesystem::exists(ipv6)) {
    SBX_CHECK(set_kernel(ipv6 + "/disable_ipv6", "1"));
    SBX_CHECK(set_kernel(ipv6 + "/accept_ra", "0"));
  }
  const std::string ipv4 = "/proc/sys/net/ipv4/conf/" + bridge;
  for (const char* off : {"/route_localnet", "/proxy_arp", "/send_redirects", "/accept_redirects"})
    SBX_CHECK(set_kernel(ipv4 + off, "0"));
  SBX_CHECK(rtnetlink::add_address(bridge, gateway, subnet.length));
  SBX_CHECK(rtnetlink::set_up(bridge));
  return set_kernel("/proc/sys/net/ipv4/ip_forward", "1");
}

Result<void> bind_port(const std::string& bridge, const Binding& binding) {
  const auto address = parse_ipv4(binding.ip);
  if (!address) return Error(ErrorCode::network_failed, "\"" + binding.ip + "\" is not an IPv4 address");
  auto isolated = rtnetlink::isolate_port(binding.interface);
  if (!isolated)
    return isolated.error().with_context("interface " + binding.interface + " is not a port of " + bridge +
                                         " (does the network of cni_conf_path use that bridge?)");
  SBX_CHECK(rtnetlink::add_forwarding(binding.interface, binding.mac));
  return rtnetlink::add_neighbour(bridge, *address, binding.mac);
}

void release_address(const std::string& bridge, Ipv4 address) {
  static_cast<void>(rtnetlink::delete_neighbour(bridge, address));
  forget_connections(address);
}

Result<void> try_host_port(int host_port, model::Protocol protocol) {
  const bool tcp = protocol == model::Protocol::tcp;
  const int fd = ::socket(AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno_error(errno, "socket", ErrorCode::network_failed);
  const int on = 1;
  // Connections of an earlier listener that linger do not count; a living listener does.
  if (tcp) ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(host_port));
  int failure = 0;
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) failure = errno;
  if (failure == 0 && tcp && ::listen(fd, 1) != 0) failure = errno;
  ::close(fd);
  if (failure != 0) return port_of_another_program(host_port, protocol, std::strerror(failure));
  return {};
}

}  // namespace sandboxd::network
