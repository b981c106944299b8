#include "network/ruleset_watch.hpp"

#include "network/netlink_socket.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cerrno>
#include <cstring>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

namespace sandboxd::network {
namespace {

namespace asio = boost::asio;

constexpr int kDeletedTable = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE;

bool names_table(const nlmsghdr& header, const std::string& table) {
  bool found = false;
  for_each_attribute(attributes_of(header, sizeof(nfgenmsg)), [&](int type, std::span<const char> data) {
    if (type == NFTA_TABLE_NAME && !data.empty()) found = std::string_view(data.data(), data.size() - 1) == table;
  });
  return found;
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
  return std::make_shared<RulesetWatch>(std::move(socket), std::move(table));
}

RulesetWatch::RulesetWatch(asio::posix::stream_descriptor socket, std::string table)
    : socket_(std::move(socket)), table_(std::move(table)) {}

bool RulesetWatch::drain() {
  alignas(nlmsghdr) char buffer[65536];
  bool deleted = false;
  for (;;) {
    const ssize_t n = ::recv(socket_.native_handle(), buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return deleted || errno == ENOBUFS;  // lost some: assume the worst
    std::span<const char> bytes(buffer, static_cast<std::size_t>(n));
    while (bytes.size() >= sizeof(nlmsghdr)) {
      const auto& header = *reinterpret_cast<const nlmsghdr*>(bytes.data());
      if (header.nlmsg_len < sizeof header || header.nlmsg_len > bytes.size()) break;
      if (header.nlmsg_type == kDeletedTable && names_table(header, table_)) deleted = true;
      bytes = bytes.subspan(std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), bytes.size()));
    }
  }
}

Task<void> RulesetWatch::table_deleted() {
  for (;;) {
    co_await socket_.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
    if (drain()) co_return;
  }
}

}  // namespace sandboxd::network
