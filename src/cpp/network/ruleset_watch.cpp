#include "network/ruleset_watch.hpp"

#include "network/netlink_socket.hpp"
#include "network/ruleset.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cerrno>
#include <cstring>
#include <endian.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace sandboxd::network {
namespace {

namespace asio = boost::asio;

// Room for the notifications of a rebuild with thousands of elements; a limit, not memory that is taken.
constexpr int kReceiveBytes = 16 << 20;

// Every message about a table, or about something in one, names it in its first attribute.
constexpr int kTableName = NFTA_TABLE_NAME;
static_assert(NFTA_CHAIN_TABLE == kTableName && NFTA_RULE_TABLE == kTableName && NFTA_SET_TABLE == kTableName &&
              NFTA_SET_ELEM_LIST_TABLE == kTableName);

bool is_our_family(const nlmsghdr& header) {
  const auto family = reinterpret_cast<const nfgenmsg*>(NLMSG_DATA(&header))->nfgen_family;
  return family == NFPROTO_INET || family == NFPROTO_BRIDGE || family == NFPROTO_NETDEV;
}

constexpr std::string_view kHookTable = "filter";

// Removals may take a rule of ours; a chain may be one that is to have them.
bool may_concern_hooks(const nlmsghdr& header) {
  const int type = header.nlmsg_type & 0xff;
  const bool may =
      type == NFT_MSG_DELRULE || type == NFT_MSG_DELCHAIN || type == NFT_MSG_DELTABLE || type == NFT_MSG_NEWCHAIN;
  return may && reinterpret_cast<const nfgenmsg*>(NLMSG_DATA(&header))->nfgen_family == NFPROTO_IPV4;
}

}  // namespace

Result<std::shared_ptr<RulesetWatch>> RulesetWatch::open(asio::any_io_executor executor, std::string table) {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
  if (fd < 0) return errno_error(errno, "netlink socket", ErrorCode::network_failed);
  asio::posix::stream_descriptor socket(executor, fd);
  // Without an address of its own a socket gets no multicast of this kind.
  sockaddr_nl own{};
  own.nl_family = AF_NETLINK;
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0)
    return errno_error(errno, "bind netlink socket", ErrorCode::network_failed);
  const int group = NFNLGRP_NFTABLES;
  if (::setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
    return errno_error(errno, "watch nftables", ErrorCode::network_failed);
  // Without the right to go beyond the system's limit it stays at that.
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBytes, sizeof kReceiveBytes) != 0)
    static_cast<void>(::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kReceiveBytes, sizeof kReceiveBytes));
  return std::make_shared<RulesetWatch>(std::move(socket), std::move(table));
}

RulesetWatch::RulesetWatch(asio::posix::stream_descriptor socket, std::string table)
    : socket_(std::move(socket)), table_(std::move(table)) {}

void RulesetWatch::take_change(const nlmsghdr& header) {
  const bool is_ours = is_our_family(header);
  const bool may_hook = may_concern_hooks(header);
  if (!is_ours && !may_hook) return;
  for_each_attribute(attributes_of(header, sizeof(nfgenmsg)), [&](int type, std::span<const char> data) {
    if (type != kTableName || data.empty()) return;
    const std::string_view name(data.data(), data.size() - 1);
    open_.touches_hooks = open_.touches_hooks || (may_hook && name == kHookTable);
    if (!is_ours) return;
    open_.touches = open_.touches || name == table_;
    open_.announces = open_.announces || name == announcement_name(table_);
  });
}

// The kernel ends each transaction's notifications with the new generation and who made it.
void RulesetWatch::take_end(const nlmsghdr& header) {
  const Transaction ended = std::exchange(open_, Transaction{});
  std::uint32_t thread = 0;
  std::string program = "unknown";
  for_each_attribute(attributes_of(header, sizeof(nfgenmsg)), [&](int type, std::span<const char> data) {
    std::uint32_t number = 0;
    if (type == NFTA_GEN_PROC_PID && data.size() == sizeof number) {
      std::memcpy(&number, data.data(), sizeof number);
      thread = be32toh(number);
    }
    if (type == NFTA_GEN_PROC_NAME && !data.empty()) program.assign(data.data(), data.size() - 1);
  });
  if (ended.announces) {
    own_thread_ = thread;
    other_.reset();
  } else if ((ended.touches || ended.touches_hooks) && own_thread_ && own_thread_ != thread) {
    see(program + " (process " + std::to_string(thread) + ")", ended.touches, ended.touches_hooks);
  }
}

void RulesetWatch::see(const std::string& program, bool tables, bool hooks) {
  if (!other_) other_ = Seen{};
  other_->program = program;
  other_->tables |= tables;
  other_->hooks |= hooks;
}

void RulesetWatch::take(const nlmsghdr& header) {
  if (header.nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES || header.nlmsg_len < NLMSG_LENGTH(sizeof(nfgenmsg))) return;
  // Another maker: the end of the transaction before was lost.
  if (header.nlmsg_pid != open_.port) open_ = Transaction{header.nlmsg_pid};
  if ((header.nlmsg_type & 0xff) == NFT_MSG_NEWGEN) {
    take_end(header);
  } else {
    take_change(header);
  }
}

std::optional<RulesetWatch::Seen> RulesetWatch::drain() {
  alignas(nlmsghdr) char buffer[65536];
  for (;;) {
    const ssize_t n = ::recv(socket_.native_handle(), buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == ENOBUFS) {
      see("unknown (notifications were lost)", true, true);
      continue;
    }
    if (n < 0) return std::exchange(other_, std::nullopt);
    std::span<const char> bytes(buffer, static_cast<std::size_t>(n));
    while (bytes.size() >= sizeof(nlmsghdr)) {
      const auto& header = *reinterpret_cast<const nlmsghdr*>(bytes.data());
      if (header.nlmsg_len < sizeof header || header.nlmsg_len > bytes.size()) break;
      take(header);
      bytes = bytes.subspan(std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), bytes.size()));
    }
  }
}

Task<RulesetWatch::Seen> RulesetWatch::changed_by_another() {
  for (;;) {
    co_await socket_.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
    if (auto other = drain()) co_return *std::move(other);
  }
}

}  // namespace sandboxd::network
