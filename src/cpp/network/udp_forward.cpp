#include "network/forward_listeners.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/cancel_after.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace sandboxd::network {
namespace {

namespace asio = boost::asio;
using asio::ip::udp;

constexpr std::size_t kDatagramBytes = 64 * 1024;

// What one client address has under way.
struct Session {
  Session(const asio::any_io_executor& executor, udp::endpoint from) : client(std::move(from)), socket(executor) {}

  udp::endpoint client;
  udp::socket socket;  // connected to the sandbox, so that its answers find this session
  std::uint64_t last_used = 0;
  bool used = true;  // since the idle timer was last set
};

class UdpForward final : public LoopbackForwarder::Listener, public std::enable_shared_from_this<UdpForward> {
 public:
  UdpForward(udp::socket socket, aio::TaskGroup& tasks, udp::endpoint target)
      : socket_(std::move(socket)), tasks_(tasks), target_(std::move(target)) {}

  void close() override {
    boost::system::error_code ignored;
    socket_.close(ignored);
    for (auto& [client, session] : sessions_) session->socket.close(ignored);
    sessions_.clear();
  }

  void start() { tasks_.spawn("udp forwarder", receive_all(shared_from_this())); }

 private:
  static Task<void> receive_all(std::shared_ptr<UdpForward> self) {
    std::vector<char> buffer(kDatagramBytes);
    udp::endpoint client;
    while (self->socket_.is_open()) {
      const auto [failure, n] =
          co_await self->socket_.async_receive_from(asio::buffer(buffer), client, asio::as_tuple(asio::use_awaitable));
      if (!self->socket_.is_open()) co_return;
      if (failure) continue;  // an earlier answer's client is gone
      auto session = self->session_of(client);
      if (!session) continue;
      session->used = true;
      session->last_used = ++self->uses_;
      // A full socket drops the datagram, as every hop of UDP may.
      boost::system::error_code ignored;
      session->socket.send(asio::buffer(buffer.data(), n), 0, ignored);
    }
  }

  std::shared_ptr<Session> session_of(const udp::endpoint& client) {
    const auto known = sessions_.find(client);
    if (known != sessions_.end()) return known->second;
    if (sessions_.size() >= LoopbackForwarder::kSessionsMax) drop_oldest();
    auto session = std::make_shared<Session>(socket_.get_executor(), client);
    boost::system::error_code failure;
    session->socket.connect(target_, failure);  // opens; UDP's connect does not wait
    if (!failure) session->socket.non_blocking(true, failure);
    if (failure) return nullptr;
    sessions_[client] = session;
    tasks_.spawn("udp forward back", answer(shared_from_this(), session));
    return session;
  }

  void drop_oldest() {
    const auto oldest = std::min_element(sessions_.begin(), sessions_.end(), [](const auto& a, const auto& b) {
      return a.second->last_used < b.second->last_used;
    });
    boost::system::error_code ignored;
    oldest->second->socket.close(ignored);
    sessions_.erase(oldest);
  }

  static Task<void> answer(std::shared_ptr<UdpForward> self, std::shared_ptr<Session> session) {
    std::vector<char> buffer(kDatagramBytes);
    while (session->socket.is_open()) {
      const auto [failure, n] = co_await session->socket.async_receive(
          asio::buffer(buffer),
          asio::cancel_after(LoopbackForwarder::kSessionIdle, asio::as_tuple(asio::use_awaitable)));
      if (!session->socket.is_open()) co_return;  // dropped or closed: no longer in the map
      if (failure == asio::error::operation_aborted && !std::exchange(session->used, false)) break;
      if (failure) continue;  // the sandbox refused one datagram, or only the client was active
      session->used = true;
      boost::system::error_code ignored;
      self->socket_.send_to(asio::buffer(buffer.data(), n), session->client, 0, ignored);
    }
    self->sessions_.erase(session->client);
  }

  udp::socket socket_;
  aio::TaskGroup& tasks_;
  udp::endpoint target_;
  std::uint64_t uses_ = 0;
  std::map<udp::endpoint, std::shared_ptr<Session>> sessions_;
};

}  // namespace

Result<std::shared_ptr<LoopbackForwarder::Listener>> listen_udp(asio::any_io_executor executor, aio::TaskGroup& tasks,
                                                                int host_port, udp::endpoint target) {
  const udp::endpoint local(asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(host_port));
  udp::socket socket(executor);
  boost::system::error_code failure;
  socket.open(local.protocol(), failure);
  if (!failure) socket.bind(local, failure);
  if (!failure) socket.non_blocking(true, failure);
  if (failure) return port_of_another_program(host_port, model::Protocol::udp, failure.message());
  auto listener = std::make_shared<UdpForward>(std::move(socket), tasks, std::move(target));
  listener->start();
  return std::shared_ptr<LoopbackForwarder::Listener>(std::move(listener));
}

}  // namespace sandboxd::network
