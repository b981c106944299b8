#include "network/conntrack.hpp"

#include "network/netlink_socket.hpp"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>

namespace sandboxd::network {
namespace {

// The kernel's flag for "compare the source address"; not in its public headers.
constexpr std::uint32_t kBySource = 1;

void forget(Ipv4 address, int tuple, int flags_attribute) {
  NetlinkMessage message(NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE, NLM_F_ACK);
  nfgenmsg part{};
  part.nfgen_family = AF_INET;
  part.version = NFNETLINK_V0;
  message.fixed(part);
  const std::size_t tuple_at = message.begin(tuple);
  const std::size_t ip_at = message.begin(CTA_TUPLE_IP);
  message.attribute_u32(CTA_IP_V4_SRC, htonl(address.value));
  message.end(ip_at);
  message.end(tuple_at);
  const std::size_t filter_at = message.begin(CTA_FILTER);
  message.attribute_u32(flags_attribute, kBySource);
  message.end(filter_at);
  static_cast<void>(netlink_call(NETLINK_NETFILTER, std::move(message), [](const nlmsghdr&) {}));
}

}  // namespace

void forget_connections(Ipv4 address) {
  forget(address, CTA_TUPLE_ORIG, CTA_FILTER_ORIG_FLAGS);
  forget(address, CTA_TUPLE_REPLY, CTA_FILTER_REPLY_FLAGS);
}

}  // namespace sandboxd::network
