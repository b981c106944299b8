// The MCP transport: sessions, JSON-RPC and what it refuses.
#include "mcp_fixture.hpp"
#include "orch/api/mcp/schema.hpp"

namespace sandboxd::orch::mcp {
namespace {

using testing::HasSubstr;

TEST(McpSchema, says_what_does_not_fit_and_where) {
  const auto why = [](const char* text) { return misfit(schema(), json::parse(text)).value_or("fits"); };
  EXPECT_EQ(why(R"({"id":"a"})"), "fits");
  EXPECT_EQ(why(R"({"id":"a","count":null,"env":["x"]})"), "fits");
  EXPECT_EQ(why("{}"), R"(required: missing properties: ["id"])");
  EXPECT_THAT(why(R"({"id":1})"), HasSubstr("/id: type: 1 is not of type string"));
  EXPECT_THAT(why(R"({"id":"a","env":["x",2]})"), HasSubstr("/env/1: type"));
  EXPECT_THAT(why(R"({"id":"a","count":1.5})"), HasSubstr("/count: type"));
  EXPECT_THAT(why(R"({"id":"a","other":1})"), HasSubstr(R"(unexpected additional properties ["other"])"));
}

TEST_F(McpTest, says_hello_in_the_version_that_is_wanted_or_a_known_one) {
  const auto first = events(hello("2025-03-26"));
  ASSERT_EQ(first.size(), 1U);
  const auto& result = first[0].at("result");
  EXPECT_EQ(result.at("protocolVersion"), "2025-03-26");
  EXPECT_EQ(result.at("serverInfo").at("name"), "opensbx");
  EXPECT_EQ(result.at("instructions"), "be kind");
  EXPECT_EQ(result.at("capabilities").at("tools").at("listChanged"), true);
  EXPECT_EQ(events(hello("1999-01-01")).at(0).at("result").at("protocolVersion"), "2025-06-18");
}

TEST_F(McpTest, lists_and_calls_tools) {
  begin();
  const auto listed = call("tools/list");
  const auto& tools = listed.at("result").at("tools").as_array();
  ASSERT_EQ(tools.size(), 3U);
  EXPECT_EQ(tools[0].at("name"), "another");
  EXPECT_EQ(tools[1].at("inputSchema"), json::value(schema()));
  const auto called = call("tools/call", R"({"name":"greet","arguments":{"id":"you"}})");
  EXPECT_EQ(codec::write_json(called.at("result")), R"({"content":[{"type":"text","text":"{\"hello\":\"you\"}"}]})");
  const auto failed = call("tools/call", R"({"name":"greet","arguments":{"id":"none"}})");
  EXPECT_EQ(failed.at("result").at("isError"), true);
  EXPECT_EQ(failed.at("result").at("content").at(0).at("text"), "sandbox not found");
  const auto unknown = call("tools/call", R"({"name":"x"})");
  EXPECT_EQ(unknown.at("error").at("code"), -32602);
  EXPECT_EQ(unknown.at("error").at("message"), "unknown tool \"x\"");
  const auto wrong = call("tools/call", R"({"name":"greet","arguments":{}})");
  EXPECT_EQ(wrong.at("error").at("code"), -32602);
  EXPECT_THAT(std::string(wrong.at("error").at("message").as_string()), HasSubstr(R"(missing properties: ["id"])"));
  EXPECT_EQ(call("ping").at("result"), json::object());
}

TEST_F(McpTest, lists_and_reads_resources) {
  begin();
  const auto listed = call("resources/list");
  EXPECT_EQ(codec::write_json(listed.at("result").at("resources")),
            R"([{"description":"A page.","mimeType":"text/plain","name":"page","uri":"x://page"}])");
  EXPECT_EQ(call("resources/templates/list").at("result").at("resourceTemplates"), json::array());
  const auto read = call("resources/read", R"({"uri":"x://page"})");
  EXPECT_EQ(codec::write_json(read.at("result")),
            R"({"contents":[{"uri":"x://page","mimeType":"text/plain","text":"words"}]})");
  const auto unknown = call("resources/read", R"({"uri":"x://nothing"})");
  EXPECT_EQ(codec::write_json(unknown.at("error")),
            R"({"code":-32002,"message":"Resource not found","data":{"uri":"x://nothing"}})");
  EXPECT_EQ(call("resources/subscribe", R"({"uri":"x://page"})").at("error").at("code"), -32601);
}

TEST_F(McpTest, lists_and_makes_prompts) {
  begin();
  const auto listed = call("prompts/list");
  EXPECT_EQ(
      codec::write_json(listed.at("result").at("prompts")),
      R"([{"arguments":[{"name":"what","description":"It.","required":true}],"description":"Asks.","name":"ask"}])");
  const auto made = call("prompts/get", R"({"name":"ask","arguments":{"what":"bread","more":"x"}})");
  EXPECT_EQ(codec::write_json(made.at("result")),
            R"({"description":"Asks.","messages":[{"content":{"type":"text","text":"for bread"},"role":"user"}]})");
  EXPECT_EQ(call("prompts/get", R"({"name":"ask"})").at("result").at("messages").at(0).at("content").at("text"),
            "for nothing");
  EXPECT_EQ(call("prompts/get", R"({"name":"ask","arguments":{"what":1}})").at("error").at("code"), -32602);
  EXPECT_EQ(call("prompts/get", R"({"name":"x"})").at("error").at("message"), "unknown prompt \"x\"");
}

TEST_F(McpTest, nothing_but_hello_and_ping_before_the_session) {
  EXPECT_TRUE(call("tools/list").contains("error"));
  EXPECT_TRUE(call("ping").contains("result"));
}

TEST_F(McpTest, refuses_what_is_not_mcp) {
  begin();
  const auto status = [&](auto change) {
    http::Request made = request("POST", R"({"jsonrpc":"2.0","id":1,"method":"ping"})");
    change(made);
    return send(std::move(made)).status;
  };
  const auto set = [](const char* name, const char* value) {
    return [=](http::Request& made) {
      made.headers.erase(name);
      made.headers.emplace(name, value);
    };
  };
  EXPECT_EQ(status([](http::Request&) {}), 200);
  EXPECT_EQ(status(set("Content-Type", "application/json; charset=utf-8")), 415);
  EXPECT_EQ(status(set("Accept", "application/json")), 400);
  EXPECT_EQ(status(set("Accept", "*/*")), 200);
  EXPECT_EQ(status(set("Mcp-Protocol-Version", "1999-01-01")), 400);
  EXPECT_EQ(status(set("Mcp-Session-Id", "nobody")), 404);
  EXPECT_EQ(status(set("Host", "evil.example")), 403);
  for (const char* body : {"", "{", "[]", "3", R"({"jsonrpc":"1.0","id":1,"method":"ping"})",
                           R"({"jsonrpc":"2.0","id":1,"method":"nonsense"})", R"({"jsonrpc":"2.0","method":"ping"})"}) {
    EXPECT_EQ(status([&](http::Request& made) { made.body = body; }), 400) << body;
  }
  http::Request put = request("PUT");
  const auto refused = send(std::move(put));
  EXPECT_EQ(refused.status, 405);
  EXPECT_EQ(refused.headers.at(0).second, "GET, POST, DELETE");
}

TEST_F(McpTest, batches_are_for_old_versions) {
  begin();
  const std::string batch = R"([{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"ping"}])";
  EXPECT_EQ(events(send(request("POST", batch))).size(), 2U);  // no version: an old client
  http::Request modern = request("POST", batch);
  modern.headers.emplace("Mcp-Protocol-Version", "2025-06-18");
  EXPECT_EQ(send(std::move(modern)).status, 400);
}

TEST_F(McpTest, one_stream_of_a_session_and_its_end) {
  EXPECT_EQ(send(request("GET")).status, 400);
  EXPECT_EQ(send(request("DELETE")).status, 400);
  begin();
  auto first = send(request("GET"));
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(first.content_type, "text/event-stream");
  EXPECT_EQ(send(request("GET")).status, 409);
  first.stream.reset();
  EXPECT_EQ(send(request("GET")).status, 200);
  EXPECT_EQ(send(request("DELETE")).status, 204);
  EXPECT_EQ(send(request("DELETE")).status, 404);
  EXPECT_EQ(server->sessions(), 0U);
}

TEST_F(McpTest, sessions_are_few_and_idle_ones_are_forgotten) {
  EXPECT_EQ(hello().status, 200);
  EXPECT_EQ(hello().status, 200);
  EXPECT_EQ(hello().status, 503);
  clock.advance_to(clock.mono_now() + std::chrono::minutes(61));
  EXPECT_EQ(hello().status, 200);
  EXPECT_EQ(server->sessions(), 1U);
}

}  // namespace
}  // namespace sandboxd::orch::mcp
