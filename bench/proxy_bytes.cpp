// How many bytes a second go through the reverse proxy, against the same bytes from and to the same server without it:
// one download or upload at a time, in turn. Prints one JSON object a round. Usage: bench_proxy_bytes [rounds]
// [megabytes]
#include "aio/io_runtime.hpp"
#include "orch/api/proxy/listeners.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <netinet/in.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using namespace sandboxd;

constexpr std::size_t kPieceBytes = 256 * 1024;

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool send_all(int fd, const char* bytes, std::size_t count) {
  while (count > 0) {
    const auto sent = ::send(fd, bytes, count, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes += sent;
    count -= static_cast<std::size_t>(sent);
  }
  return true;
}

// Reads until the connection's end or `count` bytes; how many.
std::size_t receive(int fd, std::size_t count) {
  std::vector<char> buffer(kPieceBytes);
  std::size_t received = 0;
  while (received < count) {
    const auto got = ::recv(fd, buffer.data(), std::min(buffer.size(), count - received), 0);
    if (got <= 0) break;
    received += static_cast<std::size_t>(got);
  }
  return received;
}

// Sends a body of `total` bytes after `head`.
bool send_body(int fd, const std::string& head, std::size_t total) {
  const std::string piece(kPieceBytes, 'x');
  bool goes_on = send_all(fd, head.data(), head.size());
  for (std::size_t sent = 0; goes_on && sent < total; sent += piece.size()) {
    goes_on = send_all(fd, piece.data(), piece.size());
  }
  return goes_on;
}

// Answers every GET with one body of `total` bytes, and every POST of such a one when it has it.
void serve(int listener, std::size_t total) {
  for (;;) {
    const int fd = ::accept(listener, nullptr, nullptr);
    if (fd < 0) return;
    std::string request;
    char buffer[4096];
    while (request.find("\r\n\r\n") == std::string::npos) {
      const auto count = ::recv(fd, buffer, sizeof(buffer), 0);
      if (count <= 0) break;
      request.append(buffer, static_cast<std::size_t>(count));
    }
    if (request.starts_with("POST")) {
      const std::size_t got = request.size() - request.find("\r\n\r\n") - 4;
      if (receive(fd, total - got) == total - got) send_body(fd, "HTTP/1.1 204 No Content\r\n\r\n", 0);
    } else {
      send_body(fd, "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(total) + "\r\n\r\n", total);
    }
    ::close(fd);
  }
}

// Megabytes a second of one download or upload; 0 when it was cut off.
double carry(int port, std::size_t total, bool up) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = loopback(port);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return 0;
  const std::string fields = " / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n";
  const auto begin = std::chrono::steady_clock::now();
  bool is_whole = false;
  if (up) {
    const std::string head = "POST" + fields + "Content-Length: " + std::to_string(total) + "\r\n\r\n";
    char status[12] = {};
    const bool is_answered = send_body(fd, head, total) && ::recv(fd, status, sizeof(status), MSG_WAITALL) == 12;
    is_whole = is_answered && std::string_view(status, sizeof(status)) == "HTTP/1.1 204";
  } else {
    const std::string head = "GET" + fields + "\r\n";
    is_whole = send_body(fd, head, 0) && receive(fd, 2 * total) > total;
  }
  ::close(fd);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  return is_whole ? static_cast<double>(total) / 1e6 / took.count() : 0;
}

Task<Result<orch::HostTarget>> find(int port) { co_return orch::HostTarget{"127.0.0.1", port}; }

}  // namespace

int main(int count, char** words) {
  const int rounds = count > 1 ? std::atoi(words[1]) : 10;
  const std::size_t total = (count > 2 ? std::strtoul(words[2], nullptr, 10) : 400) * 4 * kPieceBytes;
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof(address);
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), size) != 0 || ::listen(listener, 8) != 0 ||
      ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return 1;
  }
  const int direct = ntohs(address.sin_port);
  std::thread server(serve, listener, total);
  aio::IoRuntime runtime("proxy");
  orch::proxy::ProxyOptions options;
  options.access_log = http::AccessLog::off;
  orch::proxy::Listeners proxy(
      runtime.context().get_executor(), [direct](const std::string&) { return find(direct); }, options);
  const Endpoint endpoint{"127.0.0.1", 0};
  if (!proxy.start({endpoint}, false)) return 1;
  runtime.start();
  for (int round = 0; round < rounds; ++round) {
    const int proxied = proxy.ports().at(0);
    const double floor = carry(direct, total, false);
    const double ours = carry(proxied, total, false);
    const double floor_up = carry(direct, total, true);
    const double ours_up = carry(proxied, total, true);
    std::printf("{\"floor_mb_s\": %.0f, \"ours_mb_s\": %.0f, \"floor_up_mb_s\": %.0f, \"ours_up_mb_s\": %.0f}\n", floor,
                ours, floor_up, ours_up);
  }
  runtime.run(proxy.stop(Duration::zero()));
  runtime.stop();
  ::shutdown(listener, SHUT_RDWR);
  server.join();
  ::close(listener);
  return 0;
}
