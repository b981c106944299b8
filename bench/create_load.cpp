// Creates sandboxes over HTTP keep-alive as fast as answers come: one thread, one request under way per connection.
//
//   bench_create_load PORT
//
// Each line "CONNECTIONS COUNT PREFIX" on standard input makes COUNT sandboxes "PREFIX-<n>" on 127.0.0.1:PORT and
// prints "MICROSECONDS LATENCY...": of the whole, and of each create from the first byte sent to the last received.
// An answer that is not 201 ends the program with its text.
#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sstream>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(const std::string& what) {
  std::cerr << "bench_create_load: " << what << '\n';
  std::exit(1);
}

struct Connection {
  int fd = -1;
  Clock::time_point sent;
  std::string received;
};

int connect_to(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fail(std::string("connect: ") + std::strerror(errno));
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

std::string request(const std::string& id) {
  const std::string body = R"({"id":")" + id +
                           R"(","spec":{"egress":false,"ports":[{"container_port":8080,"protocol":"tcp"}],)"
                           R"("containers":[{"name":"main","image":"registry.local/app:1","args":["serve"],)"
                           R"("env":["MODE=bench"],"resource":{"cpu":"100m","memory":"64Mi"}}]}})";
  return "POST /api/v1/sandboxes HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

// A request fits the socket's buffer, so one call takes it.
void send_request(Connection& connection, const std::string& id) {
  const std::string bytes = request(id);
  connection.received.clear();
  connection.sent = Clock::now();
  if (send(connection.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) {
    fail(std::string("send: ") + std::strerror(errno));
  }
}

// True when the answer is complete.
bool receive(Connection& connection) {
  char bytes[16 * 1024];
  const ssize_t count = recv(connection.fd, bytes, sizeof bytes, 0);
  if (count <= 0) fail("the connection ended");
  connection.received.append(bytes, static_cast<std::size_t>(count));
  const std::string_view all = connection.received;
  const std::size_t end = all.find("\r\n\r\n");
  if (end == std::string_view::npos) return false;
  constexpr std::string_view kLength = "Content-Length: ";
  const std::size_t field = all.find(kLength);
  if (field == std::string_view::npos || field > end) fail("an answer without a length");
  const std::size_t length = std::strtoul(connection.received.c_str() + field + kLength.size(), nullptr, 10);
  if (all.size() < end + 4 + length) return false;
  if (!all.starts_with("HTTP/1.1 201 ")) fail(connection.received);
  return true;
}

std::int64_t microseconds(Clock::duration time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
}

void run(int port, std::size_t connections, std::size_t count, const std::string& prefix) {
  const int poll = epoll_create1(EPOLL_CLOEXEC);
  std::vector<Connection> open(std::min(connections, count));
  for (Connection& connection : open) {
    connection.fd = connect_to(port);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &connection;
    epoll_ctl(poll, EPOLL_CTL_ADD, connection.fd, &event);
  }
  std::vector<std::int64_t> latencies;
  latencies.reserve(count);
  std::size_t next = 0;
  const auto begin = Clock::now();
  const auto send_next = [&](Connection& connection) {
    if (next < count) send_request(connection, prefix + "-" + std::to_string(next++));
  };
  for (Connection& connection : open) send_next(connection);
  std::vector<epoll_event> events(open.size());
  while (latencies.size() < count) {
    const int ready = epoll_wait(poll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < ready; ++i) {
      auto& connection = *static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (!receive(connection)) continue;
      latencies.push_back(microseconds(Clock::now() - connection.sent));
      send_next(connection);
    }
  }
  const auto whole = microseconds(Clock::now() - begin);
  for (const Connection& connection : open) close(connection.fd);
  close(poll);
  std::cout << whole;
  for (const std::int64_t latency : latencies) std::cout << ' ' << latency;
  std::cout << std::endl;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) fail("usage: bench_create_load PORT");
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::size_t connections = 0;
    std::size_t creates = 0;
    std::string prefix;
    if (!(words >> connections >> creates >> prefix)) fail("a line is CONNECTIONS COUNT PREFIX");
    run(std::atoi(arguments[1]), connections, creates, prefix);
  }
  return 0;
}
