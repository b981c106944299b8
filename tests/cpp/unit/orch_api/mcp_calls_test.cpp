// Calls that wait: their progress, and what ends them.
#include "mcp_fixture.hpp"

namespace sandboxd::orch::mcp {
namespace {

using testing::HasSubstr;

TEST_F(McpTest, progress_is_told_to_who_asks_for_it) {
  begin();
  const auto answered = start_waiting(R"({"name":"wait","_meta":{"progressToken":"t"}})");
  for (const char* progress : {R"("progress":1,"message":"wait: 1 s")", R"("progress":2,"message":"wait: 2 s")"}) {
    const auto piece = ask(answered);
    EXPECT_FALSE(piece->is_there);
    pass(std::chrono::seconds(1));
    ASSERT_TRUE(piece->is_there);
    EXPECT_THAT(piece->text, HasSubstr(R"("method":"notifications/progress","params":{"progressToken":"t",)"));
    EXPECT_THAT(piece->text, HasSubstr(progress));
  }
  pass(std::chrono::hours(1));
  EXPECT_THAT(ask(answered)->text, HasSubstr(R"("result":)"));
  EXPECT_EQ(ask(answered)->text, "");
}

TEST_F(McpTest, progress_is_what_a_tool_counts_and_only_grows) {
  begin();
  const auto answered = start_waiting(R"({"name":"wait","_meta":{"progressToken":"t"}})");
  const auto next = [&] {
    const auto piece = ask(answered);
    pass(std::chrono::seconds(1));
    EXPECT_TRUE(piece->is_there);
    return piece->text;
  };
  const auto first = ask(answered);
  tell({});
  pass(std::chrono::seconds(1));
  EXPECT_TRUE(first->text.starts_with(":")) << "no seconds of what is going to be counted";
  tell({0, 20000, "0 of 20"});
  EXPECT_THAT(next(), HasSubstr(R"("progress":0,"total":20000,"message":"0 of 20")"));
  tell({5000, 20000, "5 of 20"});
  tell({7000, 20000, "7 of 20"});
  EXPECT_THAT(next(), HasSubstr(R"("progress":7000,"total":20000,"message":"7 of 20")"));
  EXPECT_TRUE(next().starts_with(":")) << "the same is not told twice";
  tell({6000, 20000, "less"});
  EXPECT_TRUE(next().starts_with(":"));
  tell({20000, 20000, "all"});
  EXPECT_THAT(next(), HasSubstr(R"("progress":20000,"total":20000,"message":"all")"));
}

TEST_F(McpTest, a_quiet_call_keeps_its_connection_alive) {
  begin();
  const auto answered = start_waiting(R"({"name":"wait"})");
  const auto piece = ask(answered);
  pass(std::chrono::seconds(14));
  EXPECT_FALSE(piece->is_there);
  pass(std::chrono::seconds(1));
  ASSERT_TRUE(piece->is_there);
  EXPECT_TRUE(piece->text.starts_with(":"));
}

TEST_F(McpTest, a_cancelled_call_stops_waiting_and_has_no_answer) {
  begin();
  const auto answered = start_waiting(R"({"name":"wait"})");
  const auto piece = ask(answered);
  EXPECT_EQ(waiting, 1);
  cancel("\"7\"");  // another one, which there is not
  EXPECT_EQ(waiting, 1);
  cancel("7");
  EXPECT_EQ(waiting, 0);
  ASSERT_TRUE(piece->is_there);
  EXPECT_EQ(piece->text, "");
  cancel("7");
  EXPECT_TRUE(call("ping").contains("result"));
}

TEST_F(McpTest, a_call_of_a_batch_is_cancelled_before_it_begins) {
  begin();
  const std::string one = R"({"jsonrpc":"2.0","method":"tools/call","params":{"name":"wait"},"id":)";
  const auto answered = send(request("POST", "[" + one + "1}," + one + "2}]"));
  const auto piece = ask(answered);
  cancel("2");
  EXPECT_EQ(waiting, 1);
  cancel("1");
  ASSERT_TRUE(piece->is_there);
  EXPECT_EQ(piece->text, "");
  EXPECT_EQ(waiting, 0);
}

TEST_F(McpTest, calls_end_with_their_client_and_their_session) {
  begin();
  auto gone = start_waiting(R"({"name":"wait"})");
  (void)ask(gone);
  EXPECT_EQ(waiting, 1);
  gone.stream.reset();
  poll();
  EXPECT_EQ(waiting, 0);
  const auto kept = start_waiting(R"({"name":"wait"})");
  const auto piece = ask(kept);
  EXPECT_EQ(send(request("DELETE")).status, 204);
  poll();
  EXPECT_TRUE(piece->is_there);
  EXPECT_EQ(waiting, 0);
}

}  // namespace
}  // namespace sandboxd::orch::mcp
