// How many bytes a second go through the reverse proxy, against the same bytes from the same server without it: one
// download at a time, in turn. Prints one JSON object a round. Usage: bench_proxy_bytes [rounds] [megabytes]
#include "aio/io_runtime.hpp"
#include "orch/api/proxy/listeners.hpp"

#include <arpa/inet.h>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <netinet/in.h>
#include <string>
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

// Answers every connection with one body of `total` bytes.
void serve(int listener, std::size_t total) {
  const std::string piece(kPieceBytes, 'x');
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
    const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(total) + "\r\n\r\n";
    bool goes_on = send_all(fd, head.data(), head.size());
    for (std::size_t sent = 0; goes_on && sent < total; sent += piece.size()) {
      goes_on = send_all(fd, piece.data(), piece.size());
    }
    ::close(fd);
  }
}

// Megabytes a second of one download; 0 when it was cut off.
double download(int port, std::size_t total) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = loopback(port);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return 0;
  const std::string request = "GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n";
  const auto begin = std::chrono::steady_clock::now();
  std::size_t received = 0;
  if (send_all(fd, request.data(), request.size())) {
    std::vector<char> buffer(kPieceBytes);
    for (;;) {
      const auto count = ::recv(fd, buffer.data(), buffer.size(), 0);
      if (count <= 0) break;
      received += static_cast<std::size_t>(count);
    }
  }
  ::close(fd);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  return received < total ? 0 : static_cast<double>(received) / 1e6 / took.count();
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
    const double floor = download(direct, total);
    const double ours = download(proxy.ports().at(0), total);
    std::printf("{\"floor_mb_s\": %.0f, \"ours_mb_s\": %.0f}\n", floor, ours);
  }
  runtime.run(proxy.stop(Duration::zero()));
  runtime.stop();
  ::shutdown(listener, SHUT_RDWR);
  server.join();
  ::close(listener);
  return 0;
}
