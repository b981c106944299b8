// What the server does with requests that are malformed, too large, too slow or too many.
#include "fixture.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace sandboxd::http::test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr Duration kShort = std::chrono::milliseconds(100);

TEST(ServerLimits, malformed_requests_get_400_and_the_connection_ends) {
  TestServer server;
  for (const std::string request : {"nonsense\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
                                    "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\nGET",
                                    "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: nine\r\n\r\n",
                                    "GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n"}) {
    RawClient client(server.port());
    client.send(request);
    const std::string answer = client.read_to_end();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 400 Bad Request\r\n")) << request;
    EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
    EXPECT_THAT(answer, HasSubstr("{\"error\":\"malformed request"));
    EXPECT_THAT(answer, Not(HasSubstr("RESET")));
  }
}

TEST(ServerLimits, too_large_a_header_gets_431) {
  TestServer server;
  for (const std::size_t size : {std::size_t{70} * 1024, std::size_t{2} * 1024 * 1024}) {
    RawClient client(server.port());
    std::thread sender([&] { client.try_send(server.get("/hello", "X-Long: " + std::string(size, 'x') + "\r\n")); });
    const std::string answer = client.read_to_end();
    client.shut_down_sending();
    sender.join();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 431 ")) << size;
    EXPECT_THAT(answer, Not(HasSubstr("RESET"))) << size;
  }
}

// The client that writes everything before it reads is the usual one, and must not be reset.
TEST(ServerLimits, too_large_a_body_gets_413_even_if_the_client_sends_all_of_it_first) {
  TestServer server;
  const std::string body(16 << 20, 'x');
  RawClient client(server.port());
  client.send(server.post("/echo", body));
  client.shut_down_sending();
  const std::string answer = client.read_to_end();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 413 Content Too Large\r\n"));
  EXPECT_THAT(answer, EndsWith("{\"error\":\"request body too large\"}"));
}

TEST(ServerLimits, a_chunked_body_is_counted_as_it_comes) {
  TestServer server;
  const std::string head = "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
  RawClient good(server.port());
  EXPECT_THAT(good.ask(head + "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n"), EndsWith("\r\n\r\nabcdefg"));
  EXPECT_THAT(good.ask(server.get("/items/next")), EndsWith("item next"));
  RawClient large(server.port());
  large.send(head + "3e8\r\n" + std::string(1000, 'x') + "\r\n1\r\ny\r\n");
  EXPECT_THAT(large.read_until("too large"), StartsWith("HTTP/1.1 413 "));
  RawClient malformed(server.port());
  malformed.send(head + "zzz\r\n");
  EXPECT_THAT(malformed.read_until("malformed request"), StartsWith("HTTP/1.1 400 "));
}

TEST(ServerLimits, a_body_waits_for_100_continue_and_is_spared_when_it_is_refused) {
  TestServer server;
  RawClient client(server.port());
  const std::string head = "POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: ";
  client.send(head + "5\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_THAT(client.ask("hello"), EndsWith("\r\n\r\nhello"));
  client.send(head + "5000\r\n\r\n");
  EXPECT_THAT(client.read_answer(), StartsWith("HTTP/1.1 413 "));
}

TEST(ServerLimits, a_slow_header_gets_408) {
  TestServer server({.header_timeout = kShort});
  RawClient client(server.port());
  client.send("GET /hello HTTP/1.1\r\nHost: ");
  EXPECT_THAT(client.read_until("in time"), StartsWith("HTTP/1.1 408 Request Timeout\r\n"));
}

TEST(ServerLimits, a_slow_body_gets_408) {
  TestServer server({.body_timeout = kShort});
  RawClient client(server.port());
  client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf");
  EXPECT_THAT(client.read_until("in time"), StartsWith("HTTP/1.1 408 Request Timeout\r\n"));
}

TEST(ServerLimits, idle_connections_are_closed_without_a_word) {
  TestServer server({.idle_timeout = kShort});
  RawClient silent(server.port());
  EXPECT_EQ(silent.read_to_end(), "");
  RawClient used(server.port());
  used.ask(server.get("/hello"));
  EXPECT_EQ(used.read_to_end(), "");
}

TEST(ServerLimits, a_client_that_does_not_read_is_given_up) {
  TestServer server({.write_timeout = kShort});
  RawClient client(server.port());
  auto destroyed = server.probe->stream_destroyed.get_future();
  client.send(server.get("/stream?n=100000000&size=100000"));
  EXPECT_TRUE(arrives(destroyed));
}

// A handler may take as long as it likes: none of the limits is about it.
TEST(ServerLimits, a_slow_handler_is_not_interrupted) {
  TestServer server(
      {.header_timeout = kShort, .body_timeout = kShort, .idle_timeout = kShort, .write_timeout = kShort});
  RawClient waiting(server.port());
  waiting.send(server.get("/wait"));
  RawClient idle(server.port());
  EXPECT_EQ(idle.read_to_end(), "");  // the time of every limit has passed
  server.open_gate();
  EXPECT_THAT(waiting.read_answer(), EndsWith("waited"));
}

TEST(ServerLimits, connections_over_the_limit_are_told_to_come_back) {
  TestServer server({.connections_max = 2, .idle_grace = std::chrono::hours(1)});
  {
    RawClient first(server.port());
    RawClient second(server.port());
    first.ask(server.get("/hello"));
    second.ask(server.get("/hello"));
    RawClient third(server.port());
    const std::string answer = third.read_answer();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 Service Unavailable\r\n"));
    EXPECT_THAT(answer, HasSubstr("Retry-After: 1\r\n"));
    EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
    EXPECT_EQ(third.read_to_end(), "");
    EXPECT_THAT(first.ask(server.get("/hello")), StartsWith("HTTP/1.1 200"));
  }
  // Once they are gone there is room again; the server learns of it a moment later.
  while (true) {
    RawClient next(server.port());
    next.try_send(server.get("/hello"));
    const std::string answer = next.read_answer();
    if (answer.starts_with("HTTP/1.1 200")) break;
    ASSERT_THAT(answer, StartsWith("HTTP/1.1 503"));
  }
}

// Connections that do nothing must not keep others out: the longest idle one makes room.
TEST(ServerLimits, an_idle_connection_makes_room_for_a_new_one) {
  TestServer server({.connections_max = 2, .idle_grace = Duration::zero()});
  RawClient first(server.port());
  RawClient second(server.port());
  first.ask(server.get("/hello"));
  second.ask(server.get("/hello"));
  second.ask(server.get("/hello"));
  RawClient third(server.port());
  EXPECT_THAT(third.ask(server.get("/hello")), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(first.read_to_end(), "");
  EXPECT_THAT(second.ask(server.get("/hello")), StartsWith("HTTP/1.1 200"));
}

TEST(ServerLimits, a_connection_at_work_is_not_evicted) {
  TestServer server({.connections_max = 1, .idle_grace = Duration::zero()});
  RawClient working(server.port());
  auto entered = server.probe->wait_entered.get_future();
  working.send(server.get("/wait"));
  ASSERT_TRUE(arrives(entered));
  RawClient second(server.port());
  EXPECT_THAT(second.read_answer(), StartsWith("HTTP/1.1 503"));
  server.open_gate();
  EXPECT_THAT(working.read_answer(), EndsWith("waited"));
}

TEST(ServerLimits, too_long_a_target_gets_431) {
  TestServer server;
  RawClient client(server.port());
  client.try_send(server.get("/" + std::string(std::size_t{80} * 1024, 'a')));
  EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 431 "));
}

// A client may close its sending side once its request is whole.
TEST(ServerLimits, a_half_closed_connection_gets_its_answer) {
  TestServer server;
  RawClient client(server.port());
  client.send(server.post("/echo", "hello"));
  client.shut_down_sending();
  EXPECT_THAT(client.read_to_end(), EndsWith("\r\n\r\nhello"));
}

TEST(ServerLimits, half_a_request_before_the_end_is_no_request) {
  TestServer server;
  for (const std::string& half :
       {std::string("GET /hel"), server.post("/echo", "hello").substr(0, 60),
        std::string("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf")}) {
    RawClient client(server.port());
    client.send(half);
    client.shut_down_sending();
    EXPECT_EQ(client.read_to_end(), "") << half;
  }
  RawClient next(server.port());
  EXPECT_THAT(next.ask(server.get("/hello")), StartsWith("HTTP/1.1 200"));
}

TEST(ServerLimits, an_admission_refuses_after_authentication_and_before_the_body) {
  TestServer server;
  const std::string head = "POST /guarded HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n";
  RawClient stranger(server.port());
  stranger.send(head + "\r\n");
  EXPECT_THAT(stranger.read_until("unauthorized"), StartsWith("HTTP/1.1 401"));
  RawClient client(server.port());
  client.send(head + "Authorization: Bearer good\r\n\r\n");
  EXPECT_THAT(client.read_until("no ticket"), StartsWith("HTTP/1.1 429")) << "although the body has not come";
  RawClient guest(server.port());
  EXPECT_THAT(guest.ask(head + "Authorization: Bearer good\r\nX-Ticket: 1\r\n\r\nbody"), EndsWith("body"));
}

TEST(ServerLimits, a_body_that_nobody_will_read_does_not_disturb_the_answer) {
  TestServer server;
  RawClient small(server.port());
  EXPECT_THAT(small.ask(server.post("/nothing", "small")), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(small.ask(server.get("/hello")), StartsWith("HTTP/1.1 200"));
  RawClient large(server.port());
  large.send(server.post("/nothing", std::string(8 << 20, 'x')));
  large.shut_down_sending();
  const std::string answer = large.read_to_end();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(answer, EndsWith("404 page not found"));
}

}  // namespace
}  // namespace sandboxd::http::test
