// Stopping: nothing new, streams end, requests in flight finish or are cancelled.
#include "fixture.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace sandboxd::http::test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

std::future<void> stop_in_background(TestServer& server, Duration drain) {
  return boost::asio::co_spawn(server.runtime.context(), server.server->stop(drain), boost::asio::use_future);
}

TEST(ServerStop, idle_connections_are_closed_and_no_new_ones_taken) {
  TestServer server;
  RawClient idle(server.port());
  RawClient silent(server.port());
  idle.ask(server.get("/hello"));
  server.stop(kPatience);  // would take that long if idle connections were waited for
  EXPECT_EQ(idle.read_to_end(), "");
  EXPECT_EQ(silent.read_to_end(), "");
  EXPECT_THROW(RawClient(server.port()), std::runtime_error);
  server.stop(kPatience);
}

// A client has its answer before the server's thread has come back from sending it; a stop may fall in between.
TEST(ServerStop, a_connection_that_was_just_answered_is_idle) {
  for (int i = 0; i < 50; ++i) {
    TestServer server;
    RawClient client(server.port());
    client.ask(server.get("/hello"));
    const auto begin = std::chrono::steady_clock::now();
    server.stop(kPatience);
    ASSERT_LT(std::chrono::steady_clock::now() - begin, kPatience);
  }
}

TEST(ServerStop, a_request_in_flight_is_finished_within_the_drain) {
  TestServer server;
  RawClient client(server.port());
  auto entered = server.probe->wait_entered.get_future();
  client.send(server.get("/wait"));
  ASSERT_TRUE(arrives(entered));
  auto stopped = stop_in_background(server, kPatience);
  server.open_gate();
  const std::string answer = client.read_to_end();
  EXPECT_THAT(answer, EndsWith("waited"));
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  ASSERT_TRUE(arrives(stopped));
}

TEST(ServerStop, a_request_that_takes_longer_than_the_drain_is_cancelled) {
  TestServer server;
  RawClient client(server.port());
  auto entered = server.probe->wait_entered.get_future();
  auto left = server.probe->wait_left.get_future();
  client.send(server.get("/wait"));
  ASSERT_TRUE(arrives(entered));
  auto stopped = stop_in_background(server, std::chrono::milliseconds(20));
  ASSERT_TRUE(arrives(stopped));
  ASSERT_TRUE(arrives(left));
  EXPECT_TRUE(left.get());
  EXPECT_EQ(client.read_to_end(), "");
}

TEST(ServerStop, a_stream_ends_in_good_order) {
  TestServer server;
  RawClient client(server.port());
  client.send(server.get("/stream?n=1"));
  client.read_until("piece 0;\r\n");
  auto stopped = stop_in_background(server, kPatience);
  EXPECT_EQ(client.read_to_end(), "0\r\n\r\n");
  ASSERT_TRUE(arrives(stopped));
}

TEST(ServerStop, a_stream_that_flows_is_not_cut_inside_a_piece) {
  TestServer server;
  RawClient client(server.port());
  client.send(server.get("/stream?n=1000000000"));
  const std::string first = client.read_until("piece 10;\r\n");
  auto stopped = stop_in_background(server, kPatience);
  EXPECT_THAT(first + client.read_to_end(), EndsWith(";\r\n0\r\n\r\n"));
  ASSERT_TRUE(arrives(stopped));
}

TEST(ServerStop, a_request_that_had_arrived_is_answered) {
  TestServer server;
  RawClient client(server.port());
  client.ask(server.get("/hello"));
  // Both reach the server's thread in either order; what was sent before the stop is in the socket by then.
  client.send(server.get("/items/last"));
  server.stop(kPatience);
  EXPECT_THAT(client.read_to_end(), EndsWith("item last"));
}

TEST(ServerStop, a_server_may_be_destroyed_with_everything_in_flight_once_its_thread_has_ended) {
  auto server = std::make_unique<TestServer>();
  auto entered = server->probe->wait_entered.get_future();
  RawClient waiting(server->port());
  waiting.send(server->get("/wait"));
  RawClient streaming(server->port());
  streaming.send(server->get("/stream?n=1"));
  streaming.read_until("piece 0;");
  RawClient idle(server->port());
  idle.ask(server->get("/hello"));
  ASSERT_TRUE(arrives(entered));
  server->runtime.stop();
  server->server.reset();
  server->stops_by_itself = false;
  server.reset();
}

}  // namespace
}  // namespace sandboxd::http::test
