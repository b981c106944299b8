// What breaks the protocol ends the connection, and nothing else.
#include "agent/host.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

namespace sandboxd::test {
namespace {

using namespace agent;

class Connection : public ::testing::Test {
 protected:
  Connection() : host(AgentHost::holding()) { host.accept(); }
  void expect_end_after(std::string_view bytes) {
    try {
      host.send_raw(bytes);
      EXPECT_TRUE(host.is_closed());
    } catch (const std::runtime_error&) {  // it ended before all was sent
    }
    host.drop();
    host.accept();
    EXPECT_FALSE(host.ask(Type::ping, Empty{}).failed);
  }
  AgentHost host;
};

TEST_F(Connection, requests_are_answered_in_turn) {
  std::string many;
  for (std::uint32_t i = 1000; i < 1100; ++i) many += encode_frame(Type::ping, i, "");
  host.send_raw(many);
  for (std::uint32_t i = 1000; i < 1100; ++i) EXPECT_EQ(host.next().call, i);
}

TEST_F(Connection, a_frame_in_pieces_is_one) {
  const std::string frame = encode_frame(Type::ping, 5000, "");
  for (const char byte : frame) host.send_raw({&byte, 1});
  EXPECT_EQ(host.next().call, 5000U);
}

TEST_F(Connection, wrong_headers_end_it) {
  expect_end_after(std::string(12, '\xff'));
  std::string frame = encode_frame(Type::ping, 1, "");
  frame[9] = '\1';
  expect_end_after(frame);
}

TEST_F(Connection, unknown_requests_end_it) {
  expect_end_after(encode_frame(static_cast<Type>(99), 1, ""));
  expect_end_after(encode_frame(Type::hello, 1, encode(Hello{})));
  expect_end_after(encode_frame(Type::ping, 0, ""));
}

TEST_F(Connection, wrong_messages_end_it) {
  expect_end_after(encode_frame(Type::start, 1, "x"));
  expect_end_after(encode_frame(Type::ping, 1, "x"));
  expect_end_after(encode_frame(Type::stat, 1, encode(Path{}) + "more"));
}

TEST_F(Connection, data_that_nobody_takes_ends_it) {
  Start start = AgentHost::command({"sleep", "60"});
  start.command = "sleep";
  ASSERT_FALSE(host.ask(Type::start, start).failed);
  Attach attach;
  attach.command = "sleep";
  host.send_raw(encode_frame(Type::attach, 900, encode(attach)));
  expect_end_after(encode_frame(Type::data, 900, "x"));
}

TEST_F(Connection, data_beyond_the_credit_ends_it) {
  Start start = AgentHost::command({"sleep", "60"});
  start.command = "sleep";
  start.has_stdin = true;
  ASSERT_FALSE(host.ask(Type::start, start).failed);
  Attach attach;
  attach.command = "sleep";
  attach.stdin = true;
  std::string bytes = encode_frame(Type::attach, 900, encode(attach));
  for (int i = 0; i < 8; ++i) bytes += encode_frame(Type::data, 900, std::string(kDataBytesMax, 'x'));
  expect_end_after(bytes);
}

TEST_F(Connection, a_number_in_use_ends_it) {
  Start start = AgentHost::command({"sleep", "60"});
  start.command = "sleep";
  ASSERT_FALSE(host.ask(Type::start, start).failed);
  Attach attach;
  attach.command = "sleep";
  const std::string frame = encode_frame(Type::attach, 900, encode(attach));
  expect_end_after(frame + frame);
}

TEST_F(Connection, what_crossed_an_answer_is_ignored) {
  host.send(Type::data, 700, "late");
  host.send(Type::eof, 700, "");
  host.send(Type::cancel, 700, "");
  host.send(Type::credit, 700, encode(Credit{1}));
  EXPECT_FALSE(host.ask(Type::ping, Empty{}).failed);
}

TEST_F(Connection, a_node_that_does_not_read_stops_only_itself) {
  // Many answers that nobody takes, then the connection breaks: the agent is as before.
  std::string many;
  for (std::uint32_t i = 1; i < 400; ++i) many += encode_frame(Type::processes, i, "");
  host.send_raw(many);
  host.drop();
  host.accept();
  EXPECT_EQ(host.run(AgentHost::command({"echo", "here"})).out, "here\n");
}

}  // namespace
}  // namespace sandboxd::test
