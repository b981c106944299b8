#include "guestlink/guest_agents.hpp"

#include "aio/deadline.hpp"
#include "base/log.hpp"
#include "guestlink/guest.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace sandboxd::guestlink {
namespace {

namespace asio = boost::asio;

constexpr Log kLog("guest");
constexpr std::size_t kConnectionsMax = 4;  // of one container, the one that is used among them
constexpr std::size_t kEventsMax = 256;     // of one container, not yet taken
constexpr Duration kAcceptRetry = std::chrono::milliseconds(200);

Error closed(const std::string& why) {
  return {ErrorCode::unavailable, "the connection to the sandbox's agent ended: " + why};
}

agent::Setup to_wire(ports::GuestSetup setup) {
  agent::Setup out;
  out.argv = std::move(setup.argv);
  out.env = std::move(setup.env);
  out.cwd = std::move(setup.cwd);
  out.identity.uid = setup.uid;
  out.identity.gid = setup.gid;
  out.identity.groups = std::move(setup.groups);
  out.identity.capabilities = setup.capabilities;
  out.no_new_privileges = setup.no_new_privileges;
  return out;
}

}  // namespace

GuestAgents::GuestAgents(asio::any_io_executor executor, ports::Clock& clock, Options options)
    : executor_(executor),
      clock_(clock),
      options_(std::move(options)),
      directories_(options_.run_dir, options_.program),
      has_events_(executor),
      tasks_(executor) {}

GuestAgents::~GuestAgents() = default;

Task<void> GuestAgents::stop() {
  std::vector<std::string> keys;
  for (const auto& [key, guest] : guests_) keys.push_back(key);
  for (const std::string& key : keys) unlist(key);
  tasks_.cancel();
  co_await tasks_.join();
}

Result<GuestAgents::GuestPtr> GuestAgents::find(const std::string& key) const {
  const auto at = guests_.find(key);
  if (at == guests_.end()) return Error(ErrorCode::conflict, "the container has no agent that could be asked");
  return at->second;
}

// Whoever has a call on it learns that it is over.
void GuestAgents::unlist(const std::string& key) {
  const auto at = guests_.find(key);
  if (at == guests_.end()) return;
  const GuestPtr guest = at->second;
  guests_.erase(at);
  guest->is_gone = true;
  boost::system::error_code ignored;
  guest->acceptor.close(ignored);
  guest->live.reset();
  const auto connections = std::exchange(guest->connections, {});
  for (const auto& connection : connections) connection->close(closed("the container is gone"));
  guest->changed.notify();
}

Task<Result<ports::BindMount>> GuestAgents::prepare(std::string key) {
  unlist(key);
  SBX_CO_CHECK(co_await files_.run([this, key] { return directories_.make(key); }));
  SBX_CO_CHECK(co_await listen(key));
  co_return ports::BindMount{directories_.path(key), agent::kDirectory, true};
}

Task<Result<void>> GuestAgents::set_up(std::string key, ports::GuestSetup setup) {
  std::string bytes = agent::encode(to_wire(std::move(setup)));
  co_return co_await files_.run(
      [this, key = std::move(key), bytes = std::move(bytes)] { return directories_.write_setup(key, bytes); });
}

Task<Result<void>> GuestAgents::adopt(std::string key) {
  if (guests_.contains(key)) co_return Result<void>();
  co_return co_await listen(std::move(key));
}

Task<Result<void>> GuestAgents::listen(std::string key) {
  const std::string directory = directories_.path(key);
  SBX_CO_TRY(listener, co_await files_.run([directory] { return listen_in(directory); }));
  unlist(key);  // somebody may have been as quick
  const auto guest = std::make_shared<Guest>(executor_, key);
  guest->acceptor.assign(asio::local::stream_protocol(), listener);
  guests_[key] = guest;
  tasks_.spawn("agents' connections", accept(guest));
  co_return Result<void>();
}

Task<Result<void>> GuestAgents::forget(std::string key) {
  unlist(key);
  push(nullptr, ports::GuestGone{key});
  co_return co_await files_.run([this, key = std::move(key)] { return directories_.remove(key); });
}

Task<Result<std::vector<std::string>>> GuestAgents::list() {
  co_return co_await files_.run([this] { return directories_.list(); });
}

Task<void> GuestAgents::accept(GuestPtr guest) {
  while (!guest->is_gone) {
    auto [failure, socket] = co_await guest->acceptor.async_accept(asio::as_tuple(asio::use_awaitable));
    if (guest->is_gone || failure == asio::error::operation_aborted) co_return;
    if (failure) {
      kLog.warn("agent not accepted", {{"container", guest->key}, {"error", failure.message()}});
      co_await clock_.sleep_for(kAcceptRetry);
      continue;
    }
    // Whoever holds several open loses the next: the agent itself has one, and tries again.
    if (guest->connections.size() < kConnectionsMax)
      tasks_.spawn("agent's connection", serve(guest, std::move(socket)));
    co_await clock_.sleep_for(options_.accept_pause);
  }
}

Task<void> GuestAgents::serve(GuestPtr guest, Connection::Socket socket) {
  const ConnectionPtr connection = Connection::make(std::move(socket), events_of(guest));
  guest->connections.insert(connection);
  const auto alarm = clock_.alarm_at(executor_, clock_.mono_now() + options_.hello_limit,
                                     [connection](boost::system::error_code error) {
                                       if (!error && !connection->link().has_greeted())
                                         connection->close(closed("no hello came"));
                                     });
  const Error end = co_await connection->run();
  connection->close(end);
  guest->connections.erase(connection);
  if (guest->live == connection) guest->live.reset();
  const bool is_fault = end.code() == ErrorCode::protocol_error || end.code() == ErrorCode::unsupported;
  if (!is_fault || std::exchange(guest->was_told_off, true)) co_return;
  kLog.warn("agent refused", {{"container", guest->key}, {"error", end.message()}});
}

// The guest outlives its connections' callbacks: serve() holds it.
Connection::Events GuestAgents::events_of(const GuestPtr& guest) {
  const std::weak_ptr<Guest> weak = guest;
  return {.hello =
              [this, weak](const ConnectionPtr& connection, const agent::Hello& hello) {
                if (const GuestPtr to = weak.lock()) greet(*to, connection, hello);
                if (const GuestPtr to = weak.lock()) push(to, ports::GuestConnected{to->key});
              },
          .exited =
              [this, weak](const agent::Exited& exited) {
                const GuestPtr to = weak.lock();
                if (!to) return;
                // How the main process ended the runtime tells.
                if (exited.command.empty()) return push(to, ports::GuestEnding{to->key});
                ports::GuestExit exit;
                exit.key = to->key;
                exit.command.id = exited.command;
                exit.command.is_over = true;
                exit.command.exit_code = exited.code;
                exit.command.signal = exited.signal;
                exit.command.timed_out = exited.timed_out;
                exit.command.ended_at = WallTime{exited.at_ns};
                push(to, std::move(exit));
              },
          .ready_for_more = [this, weak] { return wait_for_room(weak.lock()); }};
}

void GuestAgents::greet(Guest& guest, const ConnectionPtr& connection, const agent::Hello& hello) {
  const ConnectionPtr old = std::exchange(guest.live, connection);
  if (old) old->close(closed("the agent connected anew"));
  guest.life = hello.life;
  if (!guest.start)
    guest.start = ports::GuestStart{hello.main == agent::MainState::unstarted, hello.main_error.substr(0, 1024)};
  guest.changed.notify();
}

void GuestAgents::push(const GuestPtr& guest, ports::GuestEvent event) {
  if (guest) ++guest->pending_events;
  events_.emplace_back(guest, std::move(event));
  has_events_.notify();
}

Task<void> GuestAgents::wait_for_room(GuestPtr guest) {
  while (guest && guest->pending_events >= kEventsMax && !guest->is_gone) co_await guest->changed.wait();
}

Task<Result<ports::GuestEvent>> GuestAgents::next_event() {
  while (events_.empty()) co_await has_events_.wait();
  auto [guest, event] = std::move(events_.front());
  events_.pop_front();
  if (guest && --guest->pending_events == kEventsMax / 2) guest->changed.notify();
  co_return std::move(event);
}

namespace {

template <class GuestPtr>
Task<Result<void>> wait_live(GuestPtr guest) {
  while (!guest->live && !guest->is_gone) co_await guest->changed.wait();
  co_return Result<void>();
}

}  // namespace

Task<Result<ConnectionPtr>> GuestAgents::connected(std::string key, Duration limit) {
  SBX_CO_TRY(guest, find(key));
  if (!guest->live) {
    const auto waited = co_await aio::with_deadline(clock_, limit, wait_live(guest), "agent");
    if (!waited) co_return Error(ErrorCode::unavailable, "the sandbox's agent is not connected: try again");
  }
  if (!guest->live) co_return Error(ErrorCode::conflict, "the container is gone");
  co_return guest->live;
}

Task<Result<ports::GuestStart>> GuestAgents::wait_connected(std::string key, Duration limit) {
  SBX_CO_TRY(guest, find(key));
  if (!guest->start) {
    auto waited = co_await aio::with_deadline(clock_, limit, wait_live(guest), "the sandbox's agent");
    if (!waited) co_return waited.error();
  }
  if (!guest->start) co_return Error(ErrorCode::conflict, "the container is gone");
  co_return *guest->start;
}

}  // namespace sandboxd::guestlink
