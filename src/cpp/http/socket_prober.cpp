#include "http/socket_prober.hpp"

#include "http/connection.hpp"

#include <algorithm>
#include <chrono>

namespace sandboxd::http {
namespace {

constexpr std::size_t kBodyBytesMax = 64 * 1024;
// The verdict is in the header. The body is read only so that the server does not meet a closed connection while it
// writes, hence not for long.
constexpr Duration kBodyPatience = std::chrono::milliseconds(200);

}  // namespace

SocketProber::SocketProber(boost::asio::any_io_executor executor)
    : executor_(executor), client_(std::move(executor), ClientOptions{.idle_per_host_max = 0}) {}

Task<Result<void>> SocketProber::probe(ports::ProbeTarget target, Duration timeout) {
  return target.kind == model::ProbeKind::tcp ? probe_tcp(std::move(target), timeout)
                                              : probe_http(std::move(target), timeout);
}

Task<Result<void>> SocketProber::probe_tcp(ports::ProbeTarget target, Duration timeout) {
  SBX_CO_CHECK(co_await Connection::open(executor_, target.ip, target.port, timeout));
  co_return Result<void>();
}

Task<Result<void>> SocketProber::probe_http(ports::ProbeTarget target, Duration timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  ClientRequest request;
  request.host = std::move(target.ip);
  request.port = target.port;
  request.target = target.path.starts_with('/') ? std::move(target.path) : "/" + target.path;
  request.headers.emplace_back("Connection", "close");
  request.timeout = timeout;
  SBX_CO_TRY(stream, co_await client_.open_stream(std::move(request)));
  const int status = stream->status();

  std::size_t total = 0;
  while (total < kBodyBytesMax) {
    const Duration left = deadline - std::chrono::steady_clock::now();
    if (left <= Duration::zero()) break;
    const auto piece = co_await stream->next(std::min(left, kBodyPatience));
    if (!piece || !*piece) break;
    total += (*piece)->size();
  }
  if (status >= 200 && status < 400) co_return Result<void>();
  co_return Error(ErrorCode::unavailable, "unexpected status code " + std::to_string(status));
}

}  // namespace sandboxd::http
