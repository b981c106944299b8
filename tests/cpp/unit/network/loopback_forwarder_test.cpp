#include "network/loopback_forwarder.hpp"

#include "aio/task_group.hpp"
#include "support/run_task.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

namespace sandboxd::network {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::ip::udp;

// A second loopback address stands for the sandbox.
constexpr const char* kSandbox = "127.0.0.2";

class Forwarding : public ::testing::Test {
 protected:
  ~Forwarding() override { test::run_task(context, forwarder.stop()); }

  // A port of 127.0.0.1 that was free a moment ago.
  int free_port() {
    tcp::acceptor probe(context, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    return probe.local_endpoint().port();
  }

  asio::io_context context;
  LoopbackForwarder forwarder{context.get_executor()};
};

// Reads until the client's end of stream, then answers how much there was, then ends.
Task<void> count_and_answer(tcp::acceptor& acceptor) {
  tcp::socket peer = co_await acceptor.async_accept(asio::use_awaitable);
  std::string all;
  const auto [end, n] = co_await asio::async_read(peer, asio::dynamic_buffer(all), asio::as_tuple(asio::use_awaitable));
  const std::string answer = std::to_string(n);
  co_await asio::async_write(peer, asio::buffer(answer), asio::use_awaitable);
}

Task<std::string> send_and_read(asio::io_context& context, int port, std::size_t bytes) {
  tcp::socket client(context);
  const tcp::endpoint target(asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(port));
  co_await client.async_connect(target, asio::use_awaitable);
  const std::string data(bytes, 'x');
  co_await asio::async_write(client, asio::buffer(data), asio::use_awaitable);
  client.shutdown(tcp::socket::shutdown_send);
  std::string answer;
  const auto [end, n] =
      co_await asio::async_read(client, asio::dynamic_buffer(answer), asio::as_tuple(asio::use_awaitable));
  co_return end == asio::error::eof ? answer : end.message();
}

TEST_F(Forwarding, CarriesBothWaysAndHalfCloses) {
  tcp::acceptor sandbox(context, tcp::endpoint(asio::ip::make_address_v4(kSandbox), 0));
  const int port = free_port();
  ASSERT_TRUE(
      forwarder.open(model::PublishedPort{port, sandbox.local_endpoint().port(), model::Protocol::tcp}, kSandbox));
  aio::TaskGroup peer(context.get_executor());
  peer.spawn("peer", count_and_answer(sandbox));
  EXPECT_EQ(test::run_task(context, send_and_read(context, port, 3'000'000)), "3000000");
}

Task<std::string> connect_and_read(asio::io_context& context, int port) {
  tcp::socket client(context);
  const tcp::endpoint target(asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(port));
  co_await client.async_connect(target, asio::use_awaitable);
  std::array<char, 1> buffer;
  const auto [end, n] = co_await client.async_read_some(asio::buffer(buffer), asio::as_tuple(asio::use_awaitable));
  co_return end.message();
}

TEST_F(Forwarding, AClosedSandboxPortIsAReset) {
  const int port = free_port();
  ASSERT_TRUE(forwarder.open(model::PublishedPort{port, free_port(), model::Protocol::tcp}, kSandbox));
  EXPECT_EQ(test::run_task(context, connect_and_read(context, port)), "Connection reset by peer");
}

Task<std::string> ask_datagram(asio::io_context& context, int port) {
  udp::socket client(context, udp::endpoint(udp::v4(), 0));
  const std::string question = "ping";
  const udp::endpoint target(asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(port));
  co_await client.async_send_to(asio::buffer(question), target, asio::use_awaitable);
  std::array<char, 100> buffer;
  udp::endpoint from;
  const std::size_t n = co_await client.async_receive_from(asio::buffer(buffer), from, asio::use_awaitable);
  co_return std::string(buffer.data(), n);
}

Task<void> echo_datagrams(udp::socket& socket, int count) {
  for (; count > 0; --count) {
    std::array<char, 100> buffer;
    udp::endpoint from;
    const std::size_t n = co_await socket.async_receive_from(asio::buffer(buffer), from, asio::use_awaitable);
    co_await socket.async_send_to(asio::buffer(buffer.data(), n), from, asio::use_awaitable);
  }
}

TEST_F(Forwarding, DatagramsFindTheirClientAlsoBeyondTheSessionLimit) {
  udp::socket sandbox(context, udp::endpoint(asio::ip::make_address_v4(kSandbox), 0));
  const int port = free_port();
  const int count = static_cast<int>(LoopbackForwarder::kSessionsMax) + 20;
  ASSERT_TRUE(
      forwarder.open(model::PublishedPort{port, sandbox.local_endpoint().port(), model::Protocol::udp}, kSandbox));
  aio::TaskGroup peer(context.get_executor());
  peer.spawn("peer", echo_datagrams(sandbox, count));
  for (int i = 0; i < count; ++i) ASSERT_EQ(test::run_task(context, ask_datagram(context, port)), "ping") << i;
}

TEST_F(Forwarding, OpeningIsIdempotentAndAPortOfAnotherIsRefused) {
  const int port = free_port();
  const model::PublishedPort published{port, 80, model::Protocol::tcp};
  EXPECT_TRUE(forwarder.open(published, kSandbox));
  EXPECT_TRUE(forwarder.open(published, kSandbox));
  LoopbackForwarder other(context.get_executor());
  const auto refused = other.open(published, kSandbox);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(),
            "host port already in use: " + std::to_string(port) + "/tcp (bind: Address already in use)");
  forwarder.close(port, model::Protocol::tcp);
  EXPECT_FALSE(forwarder.is_open(port, model::Protocol::tcp));
  EXPECT_TRUE(other.open(published, kSandbox));
  test::run_task(context, other.stop());
}

}  // namespace
}  // namespace sandboxd::network
