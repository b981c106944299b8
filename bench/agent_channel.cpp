// Both ends of a bare agent channel, and what a sandbox can do by itself: the floors of exec.py. Static, so that it
// runs in any image.
//
//   bench_agent_channel serve DIRECTORY   on the host: listens on bench.sock there, as the node does for an agent; one
//                                         line "up|down BYTES SECONDS" for each transfer
//   bench_agent_channel up SOCKET BYTES   inside: sends so many bytes to the host, and waits until they are counted
//   bench_agent_channel down SOCKET BYTES inside: takes so many bytes from the host
//   bench_agent_channel spawn COUNT ARGV  inside: starts so many at once, waits for all; prints nanoseconds
//   bench_agent_channel write BYTES       inside: lines of text to stdout
//   bench_agent_channel stamps COUNT MS   inside: a line with the time (Unix, ns) every so many milliseconds
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <spawn.h>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace {

constexpr std::size_t kWriteBytes = 64 * 1024;  // a data frame of the agent
constexpr std::size_t kReadBytes = 256 * 1024;
constexpr const char* kSocketName = "bench.sock";

struct Order {
  std::uint64_t is_up = 0;
  std::uint64_t bytes = 0;
};

std::int64_t now_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

bool write_all(int fd, const void* from, std::size_t count) {
  const auto* bytes = static_cast<const char*>(from);
  while (count > 0) {
    const ssize_t n = ::write(fd, bytes, count);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes += n;
    count -= static_cast<std::size_t>(n);
  }
  return true;
}

bool read_all(int fd, void* into, std::size_t count) {
  auto* bytes = static_cast<char*>(into);
  while (count > 0) {
    const ssize_t n = ::read(fd, bytes, count);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes += n;
    count -= static_cast<std::size_t>(n);
  }
  return true;
}

bool give(int fd, std::uint64_t bytes) {
  static const std::string piece(kWriteBytes, 'x');
  for (; bytes > 0; bytes -= std::min<std::uint64_t>(bytes, kWriteBytes)) {
    if (!write_all(fd, piece.data(), std::min<std::uint64_t>(bytes, kWriteBytes))) return false;
  }
  return true;
}

bool take(int fd, std::uint64_t bytes) {
  static std::vector<char> piece(kReadBytes);
  while (bytes > 0) {
    const ssize_t n = ::read(fd, piece.data(), std::min<std::uint64_t>(bytes, kReadBytes));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes -= static_cast<std::uint64_t>(n);
  }
  return true;
}

sockaddr_un address_of(const char* path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
  return address;
}

int fail(const char* what) {
  std::perror(what);
  return 1;
}

int serve(const char* directory) {
  // A short name: socket paths have at most 108 bytes.
  if (::chdir(directory) != 0) return fail(directory);
  ::unlink(kSocketName);
  const sockaddr_un address = address_of(kSocketName);
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return fail("bind");
  if (::chmod(kSocketName, 0600) != 0 || ::listen(listener, 4) != 0) return fail("listen");
  std::puts("ready");
  std::fflush(stdout);
  for (;;) {
    const int fd = ::accept(listener, nullptr, nullptr);
    if (fd < 0) return fail("accept");
    Order order;
    if (read_all(fd, &order, sizeof(order))) {
      const std::int64_t begin = now_ns(CLOCK_MONOTONIC);
      char end = 0;
      const bool is_good = order.is_up != 0 ? take(fd, order.bytes) && write_all(fd, &end, 1)
                                            : give(fd, order.bytes) && read_all(fd, &end, 1);
      const double seconds = static_cast<double>(now_ns(CLOCK_MONOTONIC) - begin) / 1e9;
      std::printf("%s %llu %.6f\n", order.is_up != 0 ? "up" : "down",
                  static_cast<unsigned long long>(is_good ? order.bytes : 0), seconds);
      std::fflush(stdout);
    }
    ::close(fd);
  }
}

int transfer(bool is_up, const char* path, std::uint64_t bytes) {
  const sockaddr_un address = address_of(path);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return fail(path);
  const Order order{is_up ? 1ULL : 0ULL, bytes};
  char end = 0;
  const bool is_good = write_all(fd, &order, sizeof(order)) &&
                       (is_up ? give(fd, bytes) && read_all(fd, &end, 1) : take(fd, bytes) && write_all(fd, &end, 1));
  return is_good ? 0 : fail("transfer");
}

int spawn(int count, char** argv) {
  char* const environment[] = {nullptr};
  int failures = 0;
  const std::int64_t begin = now_ns(CLOCK_MONOTONIC);
  for (int i = 0; i < count; ++i) {
    pid_t pid = 0;
    if (::posix_spawn(&pid, argv[0], nullptr, nullptr, argv, environment) != 0) return fail(argv[0]);
  }
  for (int i = 0; i < count; ++i) {
    int status = 0;
    if (::wait(&status) < 0 || status != 0) ++failures;
  }
  std::printf("%lld\n", static_cast<long long>(now_ns(CLOCK_MONOTONIC) - begin));
  return failures == 0 ? 0 : 1;
}

int write_lines(std::uint64_t bytes) {
  std::string piece;
  while (piece.size() < kWriteBytes) piece += "a line of text as programs print it\n";
  for (; bytes > 0; bytes -= std::min<std::uint64_t>(bytes, kWriteBytes)) {
    if (!write_all(1, piece.data(), std::min<std::uint64_t>(bytes, kWriteBytes))) return fail("write");
  }
  return 0;
}

int stamps(int count, int pause_ms) {
  for (int i = 0; i < count; ++i) {
    ::usleep(static_cast<useconds_t>(pause_ms) * 1000);
    const std::string line = std::to_string(now_ns(CLOCK_REALTIME)) + "\n";
    if (!write_all(1, line.data(), line.size())) return fail("write");
  }
  return 0;
}

}  // namespace

int main(int count, char** words) {
  const std::string mode = count > 2 ? words[1] : "";
  if (mode == "serve") return serve(words[2]);
  if (mode == "write") return write_lines(std::strtoull(words[2], nullptr, 10));
  if (mode == "stamps" && count > 3) return stamps(std::atoi(words[2]), std::atoi(words[3]));
  if (mode == "spawn" && count > 3) return spawn(std::atoi(words[2]), words + 3);
  if (mode == "up" && count > 3) return transfer(true, words[2], std::strtoull(words[3], nullptr, 10));
  if (mode == "down" && count > 3) return transfer(false, words[2], std::strtoull(words[3], nullptr, 10));
  std::fputs("usage: see the top of agent_channel.cpp\n", stderr);
  return 2;
}
