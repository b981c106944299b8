#include "http/server.hpp"

#include "aio/notifier.hpp"
#include "http/session.hpp"
#include "http/target.hpp"

#include <algorithm>
#include <sys/resource.h>

namespace sandboxd::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr std::size_t kRefusalsMax = 64;  // connections that are told so at the same time; more are just closed
constexpr auto kAcceptPause = std::chrono::milliseconds(100);
constexpr auto kStepMax = std::chrono::seconds(1);
constexpr auto kStepMin = std::chrono::milliseconds(5);

Error listen_error(const boost::system::error_code& error, const std::string& where) {
  if (error == asio::error::address_in_use) {
    return {ErrorCode::unavailable,
            "cannot listen on " + where + ": address already in use (another sandboxd? choose another --listen)"};
  }
  if (error == asio::error::access_denied) {
    return {ErrorCode::permission_denied,
            "cannot listen on " + where + ": permission denied (ports below 1024 need root)"};
  }
  if (error.value() == EADDRNOTAVAIL) {
    return {ErrorCode::unavailable, "cannot listen on " + where + ": no interface of this machine has that address"};
  }
  return errno_error(error.value(), "cannot listen on " + where, ErrorCode::unavailable);
}

// Connections for which there are descriptors: the rest of the process needs some too.
std::size_t affordable_connections(std::size_t wanted) {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY) return wanted;
  return std::clamp<std::size_t>(files.rlim_cur / 4 * 3, 1, wanted);
}

Duration step_of(const ServerOptions& options) {
  const Duration shortest =
      std::min({options.header_timeout, options.body_timeout, options.idle_timeout, options.write_timeout});
  return std::clamp<Duration>(shortest / 4, kStepMin, kStepMax);
}

}  // namespace

class Server::Impl {
 public:
  Impl(const asio::any_io_executor& executor, Router router, ServerOptions options)
      : state(std::make_shared<ServerState>(executor, std::move(router), std::move(options))),
        acceptor(executor),
        services(executor),
        arrived(executor) {
    state->options.connections_max = affordable_connections(state->options.connections_max);
  }

  Result<void> listen() {
    const ServerOptions& options = state->options;
    const std::string where = format_authority(options.address, options.port);
    boost::system::error_code error;
    const auto address = asio::ip::make_address(options.address == "localhost" ? "127.0.0.1" : options.address, error);
    if (error || options.port < 0 || options.port > 65535) {
      return Error(ErrorCode::invalid_argument, "cannot listen on " + where + ": not an IP address and a port");
    }
    const tcp::endpoint endpoint(address, static_cast<std::uint16_t>(options.port));
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error) {
      boost::system::error_code ignored;
      acceptor.close(ignored);
      return listen_error(error, where);
    }
    port = acceptor.local_endpoint().port();
    return {};
  }

  void close() {
    boost::system::error_code ignored;
    acceptor.close(ignored);
    state->is_stopping = true;
  }

  static void abort_sessions(ServerState& state) {
    for (Session* session : state.sessions) session->abort();
    state.tasks.cancel();
  }

  static Task<void> accept(std::shared_ptr<Impl> self) {
    ServerState& state = *self->state;
    asio::steady_timer pause(state.executor);
    while (!state.is_stopping) {
      auto result = co_await self->acceptor.async_accept(asio::as_tuple(asio::use_awaitable));
      const auto error = std::get<0>(result);
      if (state.is_stopping || error == asio::error::operation_aborted) co_return;
      if (error) {
        // Out of file descriptors, mostly: accepting again at once would spin.
        if (!std::exchange(self->is_starved, true)) {
          state.log.warn("cannot accept a connection", {{"error", error.message()}});
        }
        pause.expires_after(kAcceptPause);
        co_await pause.async_wait(asio::use_awaitable);
        continue;
      }
      self->is_starved = false;
      self->admit(std::get<1>(std::move(result)));
    }
  }

  void admit(tcp::socket socket) {
    boost::system::error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    const std::size_t max = state->options.connections_max;
    const std::size_t count = state->sessions.size();
    Traffic& traffic = *state->options.traffic;
    ++traffic.accepted;
    const bool has_room = count < max || make_room();
    if (!has_room) {
      ++refused;
      ++traffic.refused;
    }
    if (count >= max + kRefusalsMax) return;
    auto session = std::make_shared<Session>(std::move(socket), state);
    state->tasks.spawn("http session", has_room ? Session::run(session) : Session::refuse(session));
    arrived.notify();
  }

  bool make_room() {
    if (state->idle.empty()) return false;
    const auto grace = std::chrono::duration_cast<std::chrono::steady_clock::duration>(state->options.idle_grace);
    if (!state->idle.front()->evict(std::chrono::steady_clock::now() - grace)) return false;
    ++state->options.traffic->evicted;
    return true;
  }

  // Compares every session's deadline with the clock. Sleeps while there are no sessions.
  static Task<void> sweep(std::shared_ptr<Impl> self) {
    ServerState& state = *self->state;
    const Duration step = step_of(state.options);
    asio::steady_timer timer(state.executor);
    while (true) {
      while (state.sessions.empty()) co_await self->arrived.wait();
      timer.expires_after(step);
      co_await timer.async_wait(asio::use_awaitable);
      const auto now = std::chrono::steady_clock::now();
      for (Session* session : state.sessions) session->check_deadline(now);
      if (const std::size_t count = std::exchange(self->refused, 0); count > 0) {
        state.log.warn("connections refused: too many", {{"count", count}, {"max", state.options.connections_max}});
      }
    }
  }

  static Task<void> stop(std::shared_ptr<Impl> self, Duration drain) {
    const auto state = self->state;
    self->close();
    for (Session* session : state->sessions) session->begin_stop();
    asio::steady_timer timer(state->executor, std::chrono::duration_cast<std::chrono::steady_clock::duration>(drain));
    timer.async_wait([state](const boost::system::error_code& error) {
      if (error) return;
      const auto busy = std::ranges::count_if(state->sessions, &Session::is_busy);
      if (busy > 0) state->log.warn("stopping: requests still running are cancelled", {{"count", busy}});
      abort_sessions(*state);
    });
    co_await state->tasks.join();
    timer.cancel();
    self->services.cancel();
    co_await self->services.join();
  }

  std::shared_ptr<ServerState> state;
  tcp::acceptor acceptor;
  aio::TaskGroup services;  // accepting and sweeping
  aio::Notifier arrived;
  std::size_t refused = 0;
  bool is_starved = false;  // accepting fails, and that was said
  int port = 0;
};

Server::Server(asio::any_io_executor executor, Router router, ServerOptions options)
    : impl_(std::make_shared<Impl>(executor, std::move(router), std::move(options))) {}

Server::~Server() {
  impl_->close();
  Impl::abort_sessions(*impl_->state);
  impl_->services.cancel();
}

Result<void> Server::start() {
  SBX_CHECK(impl_->listen());
  impl_->services.spawn("http accept", Impl::accept(impl_));
  impl_->services.spawn("http sweep", Impl::sweep(impl_));
  return {};
}

int Server::port() const { return impl_->port; }
void Server::set_access_log(AccessLog access_log) { impl_->state->options.access_log = access_log; }

Task<void> Server::stop(Duration drain) { return Impl::stop(impl_, drain); }

}  // namespace sandboxd::http
