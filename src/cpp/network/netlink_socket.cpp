#include "network/netlink_socket.hpp"

#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <unistd.h>

namespace sandboxd::network {
namespace {

constexpr std::size_t aligned(std::size_t size) { return (size + 3) & ~std::size_t{3}; }

struct Socket {
  explicit Socket(int protocol) : fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (fd >= 0) ::close(fd);
  }
  int fd;
};

enum class Step { more, done };

// Goes through one datagram. `refusal` becomes the errno of an error message.
Step read_answers(std::span<const char> bytes, const std::function<void(const nlmsghdr&)>& each, int& refusal) {
  while (bytes.size() >= sizeof(nlmsghdr)) {
    nlmsghdr header;
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > bytes.size()) break;
    if (header.nlmsg_type == NLMSG_DONE) return Step::done;
    if (header.nlmsg_type == NLMSG_ERROR) {
      std::int32_t number = 0;
      std::memcpy(&number, bytes.data() + sizeof header, sizeof number);
      refusal = -number;
      return Step::done;
    }
    each(*reinterpret_cast<const nlmsghdr*>(bytes.data()));
    bytes = bytes.subspan(std::min(aligned(header.nlmsg_len), bytes.size()));
  }
  return Step::more;
}

}  // namespace

NetlinkMessage::NetlinkMessage(int type, int flags) {
  nlmsghdr header{};
  header.nlmsg_type = static_cast<std::uint16_t>(type);
  header.nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST);
  append(&header, sizeof header);
}

void NetlinkMessage::append(const void* data, std::size_t size) {
  const char* start = static_cast<const char*>(data);
  bytes_.insert(bytes_.end(), start, start + size);
  bytes_.resize(aligned(bytes_.size()));
}

void NetlinkMessage::attribute(int type, const void* data, std::size_t size) {
  nlattr header{};
  header.nla_len = static_cast<std::uint16_t>(sizeof header + size);
  header.nla_type = static_cast<std::uint16_t>(type);
  append(&header, sizeof header);
  append(data, size);
}

void NetlinkMessage::attribute_text(int type, std::string_view text) {
  attribute(type, std::string(text).c_str(), text.size() + 1);
}

std::size_t NetlinkMessage::begin(int type) {
  const std::size_t at = bytes_.size();
  attribute(type | NLA_F_NESTED, nullptr, 0);
  return at;
}

void NetlinkMessage::end(std::size_t at) {
  const auto length = static_cast<std::uint16_t>(bytes_.size() - at);
  std::memcpy(bytes_.data() + at, &length, sizeof length);
}

std::span<const char> NetlinkMessage::bytes() {
  const auto length = static_cast<std::uint32_t>(bytes_.size());
  std::memcpy(bytes_.data(), &length, sizeof length);
  return bytes_;
}

Result<int> netlink_call(int protocol, NetlinkMessage message, const std::function<void(const nlmsghdr&)>& each) {
  const Socket socket(protocol);
  if (socket.fd < 0) return errno_error(errno, "netlink socket", ErrorCode::network_failed);
  const auto request = message.bytes();
  if (::send(socket.fd, request.data(), request.size(), 0) < 0)
    return errno_error(errno, "netlink send", ErrorCode::network_failed);
  alignas(nlmsghdr) char buffer[32768];
  int refusal = 0;
  for (Step step = Step::more; step == Step::more;) {
    const ssize_t n = ::recv(socket.fd, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(errno, "netlink receive", ErrorCode::network_failed);
    step = read_answers(std::span<const char>(buffer, static_cast<std::size_t>(n)), each, refusal);
  }
  return refusal;
}

void for_each_attribute(std::span<const char> bytes,
                        const std::function<void(int type, std::span<const char> data)>& each) {
  while (bytes.size() >= sizeof(nlattr)) {
    nlattr header;
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.nla_len < sizeof header || header.nla_len > bytes.size()) return;
    each(header.nla_type & NLA_TYPE_MASK, bytes.subspan(sizeof header, header.nla_len - sizeof header));
    bytes = bytes.subspan(std::min(aligned(header.nla_len), bytes.size()));
  }
}

std::span<const char> attributes_of(const nlmsghdr& header, std::size_t fixed_size) {
  const std::size_t start = sizeof header + aligned(fixed_size);
  if (header.nlmsg_len <= start) return {};
  return {reinterpret_cast<const char*>(&header) + start, header.nlmsg_len - start};
}

}  // namespace sandboxd::network
