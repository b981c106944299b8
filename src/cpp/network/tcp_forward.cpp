#include "aio/semaphore.hpp"
#include "network/forward_listeners.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/cancel_after.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <set>

namespace sandboxd::network {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr std::chrono::seconds kConnectTimeout{10};
constexpr std::chrono::milliseconds kAcceptPause{100};  // when the process has no descriptor left
constexpr std::size_t kBufferBytes = 64 * 1024;

class TcpForward;

// One carried connection. Both directions share it; it ends with the later of them.
struct Connection {
  Connection(std::shared_ptr<TcpForward> owner, tcp::socket accepted, aio::Semaphore::Permit place);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void close() {
    boost::system::error_code ignored;
    client.close(ignored);
    server.close(ignored);
  }

  std::shared_ptr<TcpForward> listener;
  tcp::socket client;
  tcp::socket server;
  aio::Semaphore::Permit permit;
};

class TcpForward final : public LoopbackForwarder::Listener, public std::enable_shared_from_this<TcpForward> {
 public:
  TcpForward(tcp::acceptor acceptor, aio::TaskGroup& tasks, tcp::endpoint target)
      : acceptor_(std::move(acceptor)),
        tasks_(tasks),
        target_(std::move(target)),
        places_(acceptor_.get_executor(), LoopbackForwarder::kConnectionsMax) {}

  void close() override {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    for (Connection* connection : connections_) connection->close();
  }

  void start() { tasks_.spawn("tcp forwarder", accept_all(shared_from_this())); }

 private:
  friend struct Connection;

  static Task<void> accept_all(std::shared_ptr<TcpForward> self) {
    asio::steady_timer pause(self->acceptor_.get_executor());
    while (self->acceptor_.is_open()) {
      auto place = co_await self->places_.acquire();
      auto accepted = co_await self->acceptor_.async_accept(asio::as_tuple(asio::use_awaitable));
      auto& [failure, socket] = accepted;
      if (!self->acceptor_.is_open()) co_return;
      if (failure) {
        pause.expires_after(kAcceptPause);
        co_await pause.async_wait(asio::use_awaitable);
        continue;
      }
      auto connection = std::make_shared<Connection>(self, std::move(socket), std::move(place));
      self->tasks_.spawn("tcp forward", carry(std::move(connection)));
    }
  }

  static Task<void> carry(std::shared_ptr<Connection> connection) {
    const tcp::endpoint target = connection->listener->target_;
    const auto [failure] = co_await connection->server.async_connect(
        target, asio::cancel_after(kConnectTimeout, asio::as_tuple(asio::use_awaitable)));
    if (failure || !connection->client.is_open()) {
      // A reset, as a closed port would answer.
      boost::system::error_code ignored;
      connection->client.set_option(asio::socket_base::linger(true, 0), ignored);
      connection->close();
      co_return;
    }
    boost::system::error_code ignored;
    connection->client.set_option(tcp::no_delay(true), ignored);
    connection->server.set_option(tcp::no_delay(true), ignored);
    connection->listener->tasks_.spawn("tcp forward back", pump(connection, connection->server, connection->client));
    co_await pump(connection, connection->client, connection->server);
  }

  // `from` and `to` are the connection's.
  static Task<void> pump(std::shared_ptr<Connection> connection, tcp::socket& from, tcp::socket& to) {
    std::vector<char> buffer(kBufferBytes);
    for (;;) {
      const auto [read_failure, n] =
          co_await from.async_read_some(asio::buffer(buffer), asio::as_tuple(asio::use_awaitable));
      if (read_failure == asio::error::eof) {
        boost::system::error_code ignored;
        to.shutdown(tcp::socket::shutdown_send, ignored);
        co_return;
      }
      if (read_failure) break;
      const auto [write_failure, written] =
          co_await asio::async_write(to, asio::buffer(buffer.data(), n), asio::as_tuple(asio::use_awaitable));
      if (write_failure || written != n) break;
    }
    connection->close();
  }

  tcp::acceptor acceptor_;
  aio::TaskGroup& tasks_;
  tcp::endpoint target_;
  aio::Semaphore places_;
  std::set<Connection*> connections_;
};

Connection::Connection(std::shared_ptr<TcpForward> owner, tcp::socket accepted, aio::Semaphore::Permit place)
    : listener(std::move(owner)), client(std::move(accepted)), server(client.get_executor()), permit(std::move(place)) {
  listener->connections_.insert(this);
}

Connection::~Connection() { listener->connections_.erase(this); }

}  // namespace

Result<std::shared_ptr<LoopbackForwarder::Listener>> listen_tcp(asio::any_io_executor executor, aio::TaskGroup& tasks,
                                                                int host_port, tcp::endpoint target) {
  const tcp::endpoint local(asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(host_port));
  tcp::acceptor acceptor(executor);
  boost::system::error_code failure;
  acceptor.open(local.protocol(), failure);
  if (!failure) acceptor.set_option(tcp::acceptor::reuse_address(true), failure);
  if (!failure) acceptor.bind(local, failure);
  if (!failure) acceptor.listen(asio::socket_base::max_listen_connections, failure);
  if (failure) return port_of_another_program(host_port, model::Protocol::tcp, failure.message());
  auto listener = std::make_shared<TcpForward>(std::move(acceptor), tasks, std::move(target));
  listener->start();
  return std::shared_ptr<LoopbackForwarder::Listener>(std::move(listener));
}

}  // namespace sandboxd::network
