#include "integration/network/packets.hpp"

#include "integration/network/lab.hpp"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstring>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace sandboxd::test {
namespace {

sockaddr_in endpoint(const std::string& address, int port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(static_cast<std::uint16_t>(port));
  if (::inet_pton(AF_INET, address.c_str(), &out.sin_addr) != 1) throw std::runtime_error("bad address " + address);
  return out;
}

const sockaddr* generic(const sockaddr_in& address) { return reinterpret_cast<const sockaddr*>(&address); }
sockaddr* generic(sockaddr_in& address) { return reinterpret_cast<sockaddr*>(&address); }

std::string text_of(const sockaddr_in& address) {
  std::array<char, INET_ADDRSTRLEN> text{};
  ::inet_ntop(AF_INET, &address.sin_addr, text.data(), text.size());
  return text.data();
}

bool wait_for(int fd, short events, std::chrono::milliseconds limit) {
  pollfd entry{fd, events, 0};
  return ::poll(&entry, 1, static_cast<int>(limit.count())) == 1;
}

struct Socket {
  explicit Socket(int type) : fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0)) {
    if (fd < 0) throw std::runtime_error("socket");
  }
  ~Socket() { ::close(fd); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd;
};

std::string reason(int number) {
  switch (number) {
    case ECONNREFUSED:
    case ECONNRESET: return "refused";
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EACCES: return "prohibited";
    default: return std::strerror(number);
  }
}

// The answer on a connected socket.
std::string answer_on(int fd, std::chrono::milliseconds limit) {
  if (!wait_for(fd, POLLIN, limit)) return "silent";
  std::array<char, 4096> buffer{};
  const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
  if (n < 0) return reason(errno);
  if (n == 0) return "closed";
  return std::string(buffer.data(), static_cast<std::size_t>(n));
}

}  // namespace

EchoServer::EchoServer(const std::string& path, Kind kind, const std::string& address, int port) : kind_(kind) {
  const auto bind_here = [&] {
    fd_ = ::socket(AF_INET, (kind == Kind::tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const sockaddr_in local = endpoint(address, port);
    if (::bind(fd_, generic(local), sizeof local) != 0)
      throw std::runtime_error("bind " + address + ": " + std::strerror(errno));
    if (kind == Kind::tcp && ::listen(fd_, 64) != 0) throw std::runtime_error("listen");
  };
  if (path.empty())
    bind_here();
  else
    inside(path, bind_here);
  // A socket stays in the namespace where it was made.
  thread_ = std::thread([this] { kind_ == Kind::tcp ? serve_tcp() : serve_udp(); });
}

EchoServer::~EchoServer() {
  stopping_ = true;
  thread_.join();
  ::close(fd_);
}

void EchoServer::serve_tcp() {
  while (!stopping_) {
    if (!wait_for(fd_, POLLIN, std::chrono::milliseconds(20))) continue;
    sockaddr_in client{};
    socklen_t size = sizeof client;
    const int connection = ::accept4(fd_, generic(client), &size, SOCK_CLOEXEC);
    if (connection < 0) continue;
    const std::string text = answer_on(connection, kPatience);
    const std::string reply = text_of(client) + " " + text;
    static_cast<void>(::send(connection, reply.data(), reply.size(), MSG_NOSIGNAL));
    ::close(connection);
  }
}

void EchoServer::serve_udp() {
  while (!stopping_) {
    if (!wait_for(fd_, POLLIN, std::chrono::milliseconds(20))) continue;
    sockaddr_in client{};
    socklen_t size = sizeof client;
    std::array<char, 2048> buffer{};
    const ssize_t n = ::recvfrom(fd_, buffer.data(), buffer.size(), 0, generic(client), &size);
    if (n < 0) continue;
    const std::string reply = text_of(client) + " " + std::string(buffer.data(), static_cast<std::size_t>(n));
    static_cast<void>(::sendto(fd_, reply.data(), reply.size(), 0, generic(client), size));
  }
}

std::string tcp_ask(const std::string& address, int port, const std::string& text) {
  const Socket socket(SOCK_STREAM | SOCK_NONBLOCK);
  const sockaddr_in target = endpoint(address, port);
  if (::connect(socket.fd, generic(target), sizeof target) != 0 && errno != EINPROGRESS) return reason(errno);
  if (!wait_for(socket.fd, POLLOUT, kSilence)) return "silent";
  int failure = 0;
  socklen_t size = sizeof failure;
  ::getsockopt(socket.fd, SOL_SOCKET, SO_ERROR, &failure, &size);
  if (failure != 0) return reason(failure);
  if (::send(socket.fd, text.data(), text.size(), MSG_NOSIGNAL) < 0) return reason(errno);
  return answer_on(socket.fd, kPatience);
}

std::string udp_ask(const std::string& address, int port, const std::string& text) {
  const Socket socket(SOCK_DGRAM);
  const sockaddr_in target = endpoint(address, port);
  if (::connect(socket.fd, generic(target), sizeof target) != 0) return reason(errno);
  if (::send(socket.fd, text.data(), text.size(), 0) < 0) return reason(errno);
  return answer_on(socket.fd, kSilence);
}

std::string tcp_ask_from(const std::string& path, const std::string& address, int port) {
  std::string answer;
  inside(path, [&] { answer = tcp_ask(address, port); });
  return answer;
}

std::string udp_ask_from(const std::string& path, const std::string& address, int port) {
  std::string answer;
  inside(path, [&] { answer = udp_ask(address, port); });
  return answer;
}

void send_frame(const std::string& interface, const std::vector<std::uint8_t>& frame) {
  const int fd = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  sockaddr_ll target{};
  target.sll_family = AF_PACKET;
  target.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
  const ssize_t n =
      ::sendto(fd, frame.data(), frame.size(), 0, reinterpret_cast<const sockaddr*>(&target), sizeof target);
  ::close(fd);
  if (n < 0) throw std::runtime_error("send a frame on " + interface + ": " + std::strerror(errno));
}

std::vector<std::uint8_t> mac_bytes(const std::string& text) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t at = 0; at + 1 < text.size(); at += 3)
    bytes.push_back(static_cast<std::uint8_t>(std::stoi(text.substr(at, 2), nullptr, 16)));
  return bytes;
}

namespace {

void put16(std::vector<std::uint8_t>& out, unsigned value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8));
  out.push_back(static_cast<std::uint8_t>(value & 0xff));
}

void put_ip(std::vector<std::uint8_t>& out, const std::string& address) {
  const sockaddr_in parsed = endpoint(address, 0);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&parsed.sin_addr);
  out.insert(out.end(), bytes, bytes + 4);
}

std::vector<std::uint8_t> ethernet(const FrameEnds& ends, unsigned type) {
  std::vector<std::uint8_t> frame = ends.target_mac;
  frame.insert(frame.end(), ends.source_mac.begin(), ends.source_mac.end());
  put16(frame, type);
  return frame;
}

}  // namespace

std::vector<std::uint8_t> udp_frame(const FrameEnds& ends) {
  constexpr unsigned kPayload = 4;
  std::vector<std::uint8_t> ip = {0x45, 0};
  put16(ip, 20 + 8 + kPayload);
  for (const int byte : {0, 1, 0, 0, 64, 17}) ip.push_back(static_cast<std::uint8_t>(byte));  // id, fragment, TTL, UDP
  put16(ip, 0);                                                                               // checksum, below
  put_ip(ip, ends.source_ip);
  put_ip(ip, ends.target_ip);
  std::uint32_t sum = 0;
  for (std::size_t at = 0; at < ip.size(); at += 2) sum += static_cast<std::uint32_t>(ip[at] << 8 | ip[at + 1]);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  ip[10] = static_cast<std::uint8_t>(~sum >> 8);
  ip[11] = static_cast<std::uint8_t>(~sum);

  std::vector<std::uint8_t> frame = ethernet(ends, ETHERTYPE_IP);
  frame.insert(frame.end(), ip.begin(), ip.end());
  put16(frame, 4001);
  put16(frame, 4000);
  put16(frame, 8 + kPayload);
  put16(frame, 0);  // no checksum
  for (const char c : {'f', 'a', 'k', 'e'}) frame.push_back(static_cast<std::uint8_t>(c));
  return frame;
}

std::vector<std::uint8_t> arp_frame(const FrameEnds& ends) {
  std::vector<std::uint8_t> frame = ethernet(ends, ETHERTYPE_ARP);
  put16(frame, 1);
  put16(frame, ETHERTYPE_IP);
  frame.push_back(6);
  frame.push_back(4);
  put16(frame, 2);  // reply
  frame.insert(frame.end(), ends.source_mac.begin(), ends.source_mac.end());
  put_ip(frame, ends.source_ip);
  frame.insert(frame.end(), ends.target_mac.begin(), ends.target_mac.end());
  put_ip(frame, ends.target_ip);
  return frame;
}

}  // namespace sandboxd::test
