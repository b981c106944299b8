// What an access line costs the request that leaves it: the time of the call, beside a write(2) of the same line (what
// a logger without a thread of its own pays) and a write with fdatasync (what the original pays). One JSON object.
//
//   log_lines DIRECTORY [LINES]
#include "http/access_log.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

using namespace sandboxd;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kSyncs = 200;

struct Times {
  double median_ns;
  double p99_ns;
};

template <class Call>
Times measure(std::size_t count, Call call) {
  std::vector<double> times;
  times.reserve(count);
  for (std::size_t n = 0; n < count; ++n) {
    const auto begin = Clock::now();
    call();
    times.push_back(std::chrono::duration<double, std::nano>(Clock::now() - begin).count());
  }
  std::ranges::sort(times);
  return {times[count / 2], times[count * 99 / 100]};
}

}  // namespace

int main(int argc, char** argv) {
  const std::string directory = argc > 1 ? argv[1] : ".";
  const std::size_t count = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 100'000;
  const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  ::dup2(null, 1);  // the file is what is measured; the result goes to standard error
  if (!start_log_writer(directory, "bench")) return 1;
  const Log log("bench");
  http::Access access;
  access.method = "POST";
  access.path = "/api/v1/sandboxes";
  access.user_agent = "bench/1";
  access.peer_address = "127.0.0.1";
  access.request_id = "0123456789abcdef";
  access.status = 201;
  const Times ours = measure(count, [&] { http::log_access(log, http::AccessLog::all, access); });
  flush_log();
  const LogDrops drops = log_drops();

  const std::string line(280, 'x');
  const int file = ::open((directory + "/floor.log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const auto put = [&] { return ::write(file, line.data(), line.size()) > 0; };
  const Times floor = measure(count, put);
  const Times synced = measure(std::min(count, kSyncs), [&] {
    put();
    ::fdatasync(file);
  });
  std::fprintf(stderr,
               "{\"lines\": %zu, \"dropped\": %llu, \"ours_ns\": %.0f, \"ours_p99_ns\": %.0f, \"write_ns\": %.0f, "
               "\"write_p99_ns\": %.0f, \"write_and_sync_ns\": %.0f}\n",
               count, static_cast<unsigned long long>(drops.bulk), ours.median_ns, ours.p99_ns, floor.median_ns,
               floor.p99_ns, synced.median_ns);
  return 0;
}
