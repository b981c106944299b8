#include "network/rtnetlink.hpp"

#include "network/netlink_socket.hpp"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <optional>
#include <sys/socket.h>

namespace sandboxd::network::rtnetlink {
namespace {

using Mac = std::array<std::uint8_t, 6>;

std::optional<Mac> parse_mac(std::string_view text) {
  Mac mac{};
  if (text.size() != 17) return std::nullopt;
  for (std::size_t i = 0; i < mac.size(); ++i) {
    const char* start = text.data() + i * 3;
    const auto [end, failure] = std::from_chars(start, start + 2, mac[i], 16);
    if (failure != std::errc{} || end != start + 2 || (i < 5 && start[2] != ':')) return std::nullopt;
  }
  return mac;
}

Result<Mac> mac_of(const std::string& text) {
  const auto mac = parse_mac(text);
  if (!mac) return Error(ErrorCode::network_failed, "\"" + text + "\" is not a MAC address");
  return *mac;
}

Result<int> index_of(const std::string& name) {
  const unsigned index = ::if_nametoindex(name.c_str());
  if (index == 0) return errno_error(errno, "interface " + name, ErrorCode::network_failed);
  return static_cast<int>(index);
}

std::string name_of(int index) {
  char name[IF_NAMESIZE] = {};
  return ::if_indextoname(static_cast<unsigned>(index), name) == nullptr ? std::string() : std::string(name);
}

// A request whose only answer is the acknowledgement; `tolerated` is an errno that counts as success.
Result<void> change(NetlinkMessage message, const std::string& what, int tolerated = 0) {
  SBX_TRY(refusal, netlink_call(NETLINK_ROUTE, std::move(message), [](const nlmsghdr&) {}));
  if (refusal != 0 && refusal != tolerated) return errno_error(refusal, what, ErrorCode::network_failed);
  return {};
}

ifinfomsg link_part(int index, int family = AF_UNSPEC) {
  ifinfomsg part{};
  part.ifi_family = static_cast<unsigned char>(family);
  part.ifi_index = index;
  return part;
}

std::uint32_t wire(Ipv4 address) { return htonl(address.value); }

Ipv4 address_in(std::span<const char> data) {
  std::uint32_t value = 0;
  if (data.size() == sizeof value) std::memcpy(&value, data.data(), sizeof value);
  return {ntohl(value)};
}

int number_in(std::span<const char> data) {
  int value = 0;
  if (data.size() == sizeof value) std::memcpy(&value, data.data(), sizeof value);
  return value;
}

ndmsg neighbour_part(int family, int index, int state, int flags) {
  ndmsg part{};
  part.ndm_family = static_cast<std::uint8_t>(family);
  part.ndm_ifindex = index;
  part.ndm_state = static_cast<std::uint16_t>(state);
  part.ndm_flags = static_cast<std::uint8_t>(flags);
  return part;
}

// Handles. A queue cannot be replaced by one of another kind with the same handle.
constexpr std::uint32_t kBucket = 0x1'0000;
constexpr std::uint32_t kShortQueue = 0x2'0000;
constexpr std::uint32_t kDeepQueue = 0x3'0000;

tcmsg qdisc_part(int index, std::uint32_t handle, std::uint32_t parent) {
  tcmsg part{};
  part.tcm_family = AF_UNSPEC;
  part.tcm_ifindex = index;
  part.tcm_handle = handle;
  part.tcm_parent = parent;
  return part;
}

Result<void> set_queue(int index, const std::string& name, const TokenBucket& bucket) {
  NetlinkMessage message(RTM_NEWQDISC, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
  const bool is_short = bucket.loses == TokenBucket::Loses::oldest_packets;
  message.fixed(qdisc_part(index, is_short ? kShortQueue : kDeepQueue, kBucket | 1));
  message.attribute_text(TCA_KIND, is_short ? "pfifo_head_drop" : "bfifo");
  const tc_fifo_qopt options{bucket.queue_limit};
  message.attribute(TCA_OPTIONS, &options, sizeof options);
  return change(std::move(message), "set the queue of " + name);
}

}  // namespace

bool link_exists(const std::string& name) { return ::if_nametoindex(name.c_str()) != 0; }

Result<void> add_bridge(const std::string& name, const std::string& mac) {
  SBX_TRY(address, mac_of(mac));
  NetlinkMessage message(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
  message.fixed(link_part(0));
  message.attribute_text(IFLA_IFNAME, name);
  message.attribute(IFLA_ADDRESS, address.data(), address.size());
  const std::size_t info = message.begin(IFLA_LINKINFO);
  message.attribute_text(IFLA_INFO_KIND, "bridge");
  message.end(info);
  return change(std::move(message), "create bridge " + name);
}

Result<void> delete_link(const std::string& name) {
  if (!link_exists(name)) return {};
  NetlinkMessage message(RTM_DELLINK, NLM_F_ACK);
  message.fixed(link_part(0));
  message.attribute_text(IFLA_IFNAME, name);
  return change(std::move(message), "delete interface " + name, ENODEV);
}

Result<void> set_up(const std::string& name) {
  NetlinkMessage message(RTM_NEWLINK, NLM_F_ACK);
  ifinfomsg part = link_part(0);
  part.ifi_flags = IFF_UP;
  part.ifi_change = IFF_UP;
  message.fixed(part);
  message.attribute_text(IFLA_IFNAME, name);
  return change(std::move(message), "bring interface " + name + " up");
}

Result<std::uint32_t> mtu(const std::string& name) {
  SBX_TRY(index, index_of(name));
  std::uint32_t found = 0;
  NetlinkMessage message(RTM_GETLINK, NLM_F_ACK);
  message.fixed(link_part(index));
  auto asked = netlink_call(NETLINK_ROUTE, std::move(message), [&](const nlmsghdr& header) {
    if (header.nlmsg_type != RTM_NEWLINK) return;
    for_each_attribute(attributes_of(header, sizeof(ifinfomsg)), [&](int type, std::span<const char> data) {
      if (type == IFLA_MTU) found = static_cast<std::uint32_t>(number_in(data));
    });
  });
  if (!asked) return std::move(asked).error();
  if (found == 0) return Error(ErrorCode::network_failed, "interface " + name + " tells no MTU");
  return found;
}

Result<void> add_address(const std::string& name, Ipv4 address, int prefix_length) {
  SBX_TRY(index, index_of(name));
  NetlinkMessage message(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
  ifaddrmsg part{};
  part.ifa_family = AF_INET;
  part.ifa_prefixlen = static_cast<std::uint8_t>(prefix_length);
  part.ifa_index = static_cast<std::uint32_t>(index);
  message.fixed(part);
  message.attribute_u32(IFA_LOCAL, wire(address));
  message.attribute_u32(IFA_ADDRESS, wire(address));
  const std::uint32_t host_bits = prefix_length >= 32 ? 0 : ~std::uint32_t{0} >> prefix_length;
  message.attribute_u32(IFA_BROADCAST, wire(Ipv4{address.value | host_bits}));
  return change(std::move(message), "give " + name + " the address " + to_text(address), EEXIST);
}

Result<std::vector<Cidr>> addresses(const std::string& name) {
  SBX_TRY(index, index_of(name));
  std::vector<Cidr> found;
  NetlinkMessage message(RTM_GETADDR, NLM_F_DUMP);
  ifaddrmsg request{};
  request.ifa_family = AF_INET;
  message.fixed(request);
  auto dumped = netlink_call(NETLINK_ROUTE, std::move(message), [&](const nlmsghdr& header) {
    if (header.nlmsg_type != RTM_NEWADDR) return;
    ifaddrmsg part;
    std::memcpy(&part, reinterpret_cast<const char*>(&header) + sizeof header, sizeof part);
    if (part.ifa_index != static_cast<std::uint32_t>(index)) return;
    for_each_attribute(attributes_of(header, sizeof part), [&](int type, std::span<const char> data) {
      if (type == IFA_LOCAL) found.push_back(Cidr{address_in(data), part.ifa_prefixlen});
    });
  });
  if (!dumped) return std::move(dumped).error();
  return found;
}

Result<std::vector<Route>> routes() {
  std::vector<Route> found;
  NetlinkMessage message(RTM_GETROUTE, NLM_F_DUMP);
  rtmsg request{};
  request.rtm_family = AF_INET;
  message.fixed(request);
  auto dumped = netlink_call(NETLINK_ROUTE, std::move(message), [&](const nlmsghdr& header) {
    if (header.nlmsg_type != RTM_NEWROUTE) return;
    rtmsg part;
    std::memcpy(&part, reinterpret_cast<const char*>(&header) + sizeof header, sizeof part);
    if (part.rtm_table != RT_TABLE_MAIN || part.rtm_dst_len == 0) return;
    Route route;
    route.destination.length = part.rtm_dst_len;
    for_each_attribute(attributes_of(header, sizeof part), [&](int type, std::span<const char> data) {
      if (type == RTA_DST) route.destination.base = address_in(data);
      if (type == RTA_OIF) route.interface = name_of(number_in(data));
    });
    found.push_back(std::move(route));
  });
  if (!dumped) return std::move(dumped).error();
  return found;
}

Result<void> isolate_port(const std::string& port) {
  SBX_TRY(index, index_of(port));
  NetlinkMessage message(RTM_SETLINK, NLM_F_ACK);
  message.fixed(link_part(index, AF_BRIDGE));
  const std::size_t info = message.begin(IFLA_PROTINFO);
  message.attribute_u8(IFLA_BRPORT_ISOLATED, 1);
  for (const int off : {IFLA_BRPORT_MODE, IFLA_BRPORT_LEARNING, IFLA_BRPORT_UNICAST_FLOOD, IFLA_BRPORT_MCAST_FLOOD,
                        IFLA_BRPORT_BCAST_FLOOD})
    message.attribute_u8(off, 0);
  message.end(info);
  return change(std::move(message), "isolate bridge port " + port);
}

Result<void> add_forwarding(const std::string& port, const std::string& mac) {
  SBX_TRY(index, index_of(port));
  SBX_TRY(address, mac_of(mac));
  NetlinkMessage message(RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
  message.fixed(neighbour_part(AF_BRIDGE, index, NUD_NOARP, NTF_MASTER));
  message.attribute(NDA_LLADDR, address.data(), address.size());
  return change(std::move(message), "add the forwarding entry of " + port);
}

Result<void> add_neighbour(const std::string& name, Ipv4 address, const std::string& mac) {
  SBX_TRY(index, index_of(name));
  SBX_TRY(link_address, mac_of(mac));
  NetlinkMessage message(RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
  message.fixed(neighbour_part(AF_INET, index, NUD_PERMANENT, 0));
  message.attribute_u32(NDA_DST, wire(address));
  message.attribute(NDA_LLADDR, link_address.data(), link_address.size());
  return change(std::move(message), "add the neighbour " + to_text(address));
}

Result<void> delete_neighbour(const std::string& name, Ipv4 address) {
  if (!link_exists(name)) return {};
  SBX_TRY(index, index_of(name));
  NetlinkMessage message(RTM_DELNEIGH, NLM_F_ACK);
  message.fixed(neighbour_part(AF_INET, index, 0, 0));
  message.attribute_u32(NDA_DST, wire(address));
  return change(std::move(message), "remove the neighbour " + to_text(address), ENOENT);
}

Result<void> set_token_bucket(const std::string& name, const TokenBucket& bucket) {
  SBX_TRY(index, index_of(name));
  NetlinkMessage message(RTM_NEWQDISC, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
  message.fixed(qdisc_part(index, kBucket, TC_H_ROOT));
  message.attribute_text(TCA_KIND, "tbf");
  const std::size_t settings = message.begin(TCA_OPTIONS);
  tc_tbf_qopt options{};
  options.rate.linklayer = TC_LINKLAYER_ETHERNET;  // else the kernel wants a table of sending times
  options.limit = bucket.burst_bytes;              // of the queue that comes with it, until it gets its own
  message.attribute(TCA_TBF_PARMS, &options, sizeof options);
  message.attribute(TCA_TBF_RATE64, &bucket.bytes_per_second, sizeof bucket.bytes_per_second);
  message.attribute_u32(TCA_TBF_BURST, bucket.burst_bytes);
  message.end(settings);
  auto set = change(std::move(message), "limit the bandwidth of " + name);
  if (!set && set.error().message().find("No such file") != std::string::npos)
    return set.error().with_context("this kernel has no tbf scheduler (CONFIG_NET_SCH_TBF)");
  SBX_CHECK(std::move(set));
  return set_queue(index, name, bucket);
}

Result<void> remove_token_bucket(const std::string& name) {
  SBX_TRY(index, index_of(name));
  NetlinkMessage message(RTM_DELQDISC, NLM_F_ACK);
  message.fixed(qdisc_part(index, 0, TC_H_ROOT));
  return change(std::move(message), "lift the bandwidth limit of " + name, ENOENT);
}

}  // namespace sandboxd::network::rtnetlink
