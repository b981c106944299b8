// Nothing a server does holds a call for ever, or fills the memory; a cancelled call lets go at once.
#include "client_fixture.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <gtest/gtest.h>

#include <future>

namespace sandboxd::http::test {
namespace {

TEST_F(ClientTest, gives_up_at_the_deadline_whatever_the_server_does_meanwhile) {
  for (const std::string_view part : {std::string_view(), std::string_view("HTTP/1.1 200 OK\r\n"),
                                      std::string_view("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
                                      std::string_view("HTTP/1.1 100 Continue\r\n\r\n")}) {
    ScriptedServer server([part](ScriptedServer& s) {
      auto peer = s.accept();
      peer.read_header();
      peer.send(part);
      peer.wait_for_end();
    });
    auto slow = request(server.port(), "GET", "/slow?token=x");
    slow.timeout = std::chrono::milliseconds(50);
    const auto answer = send(slow);
    ASSERT_FALSE(answer) << part;
    EXPECT_EQ(answer.error().code(), ErrorCode::deadline_exceeded) << part;
    EXPECT_EQ(answer.error().message(),
              "GET /slow: 127.0.0.1:" + std::to_string(server.port()) + ": no answer in time");
  }
}

TEST_F(ClientTest, a_reader_that_stalls_cannot_hold_a_large_request_for_ever) {
  std::promise<void> answered;
  ScriptedServer server([&](ScriptedServer& s) {
    auto peer = s.accept();
    EXPECT_TRUE(arrives(answered.get_future()));
  });
  auto large = request(server.port(), "POST", "/");
  large.body.assign(64 << 20, 'x');
  large.timeout = std::chrono::milliseconds(50);
  const auto answer = send(std::move(large));
  answered.set_value();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), ErrorCode::deadline_exceeded);
}

TEST_F(ClientTest, bounds_the_answer) {
  TestServer server;
  auto small = request(server.port(), "GET", "/bytes?n=1001");
  small.body_bytes_max = 1000;
  const auto answer = send(small);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), ErrorCode::too_large);
  small.target = "/bytes?n=1000";
  EXPECT_TRUE(send(small));
  small.target = "/stream?n=1000&end";
  const auto chunked = send(small);
  ASSERT_FALSE(chunked);
  EXPECT_EQ(chunked.error().code(), ErrorCode::too_large);
}

Task<Result<ClientResponse>> send_with(Client& client, ClientRequest request) {
  return client.send(std::move(request));
}

TEST_F(ClientTest, a_cancelled_call_closes_its_connection_and_throws) {
  std::promise<void> asked;
  std::promise<void> closed;
  ScriptedServer server([&](ScriptedServer& s) {
    auto peer = s.accept();
    peer.read_header();
    asked.set_value();
    peer.wait_for_end();
    closed.set_value();
  });
  auto signal = std::make_shared<boost::asio::cancellation_signal>();
  auto answer = boost::asio::co_spawn(runtime.context(), send_with(*client, request(server.port(), "GET", "/")),
                                      boost::asio::bind_cancellation_slot(signal->slot(), boost::asio::use_future));
  ASSERT_TRUE(arrives(asked.get_future()));
  boost::asio::post(runtime.context(), [signal] { signal->emit(boost::asio::cancellation_type::terminal); });
  ASSERT_TRUE(arrives(answer));
  EXPECT_THROW(static_cast<void>(answer.get()), boost::system::system_error);
  EXPECT_TRUE(arrives(closed.get_future()));
}

}  // namespace
}  // namespace sandboxd::http::test
