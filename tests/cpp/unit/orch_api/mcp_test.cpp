// The MCP transport: sessions, JSON-RPC and what it refuses. Requests go the way that the server sends them.
#include "codec/json.hpp"
#include "http/sse.hpp"
#include "orch/api/mcp/schema.hpp"
#include "orch/api/mcp/server.hpp"
#include "sim/sim_clock.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace sandboxd::orch::mcp {
namespace {

namespace json = codec::json;
using testing::HasSubstr;

json::object schema() {
  return json::parse(R"({"type":"object","properties":{"id":{"type":"string"},"count":{"type":["integer","null"]},
    "env":{"type":"array","items":{"type":"string"}}},"required":["id"],"additionalProperties":false})")
      .as_object();
}

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

Task<Result<json::value>> greet(json::object arguments) {
  const std::string id(arguments["id"].as_string());
  if (id == "none") co_return Error(ErrorCode::not_found, "sandbox not found");
  json::object out;
  out["hello"] = id;
  co_return json::value(out);
}

class McpTest : public testing::Test {
 protected:
  McpTest() {
    auto tools = std::make_shared<Tools>();
    EXPECT_TRUE(tools->add({"greet", "Says hello.", schema(), greet}));
    json::object empty;
    empty["type"] = "object";
    EXPECT_TRUE(tools->add({"another", "Comes first.", empty, greet}));
    EXPECT_FALSE(tools->add({"greet", "Twice.", schema(), greet}));
    McpOptions options;
    options.info = {"opensbx", "1.0.0", "be kind"};
    options.sessions_max = 2;
    server = std::make_shared<McpServer>(tools, clock, [this] { return "id" + std::to_string(++ids); }, options);
  }

  // Runs until nothing is left to do at once.
  template <class T>
  T run(Task<T> task) {
    std::optional<T> out;
    boost::asio::co_spawn(context, std::move(task), [&](const std::exception_ptr& failure, T value) {
      EXPECT_FALSE(failure);
      out = std::move(value);
    });
    context.restart();
    context.poll();
    EXPECT_TRUE(out);
    return out ? *std::move(out) : T();
  }

  http::Request request(std::string method, std::string body = {}) {
    http::Request made;
    made.method = std::move(method);
    made.body = std::move(body);
    made.peer_address = "127.0.0.1";
    made.headers.emplace("Host", "localhost:8082");
    made.headers.emplace("Accept", "application/json, text/event-stream");
    if (made.method == "POST") made.headers.emplace("Content-Type", "application/json");
    if (!session.empty()) made.headers.emplace("Mcp-Session-Id", session);
    return made;
  }
  http::Response send(http::Request made) { return run(McpServer::handle(server, std::move(made))); }
  // The JSON of the events of an answer.
  json::array events(http::Response response) {
    json::array out;
    http::SseParser parser;
    if (!response.stream) return out;
    while (auto piece = run(response.stream->next())) parser.feed(*piece);
    while (auto event = parser.take()) {
      EXPECT_EQ(event->event, "message");
      out.push_back(json::parse(event->data));
    }
    return out;
  }
  json::object call(const std::string& method, const std::string& params = "{}") {
    const std::string text = R"({"jsonrpc":"2.0","id":7,"method":")" + method + R"(","params":)" + params + "}";
    const json::array answers = events(send(request("POST", text)));
    EXPECT_EQ(answers.size(), 1U);
    if (answers.empty()) return {};
    EXPECT_EQ(answers[0].at("id"), 7);
    return answers[0].as_object();
  }
  http::Response hello(const std::string& version = "2025-06-18") {
    const std::string text = R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":")" +
                             version + R"(","capabilities":{},"clientInfo":{"name":"t","version":"1"}}})";
    return send(request("POST", text));
  }
  void begin() {
    const auto answered = hello();
    for (const auto& [name, value] : answered.headers) {
      if (name == "Mcp-Session-Id") session = value;
    }
    EXPECT_EQ(send(request("POST", R"({"jsonrpc":"2.0","method":"notifications/initialized"})")).status, 202);
  }

  boost::asio::io_context context;
  sim::SimClock clock{context.get_executor()};
  int ids = 0;
  std::shared_ptr<McpServer> server;
  std::string session;
};

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
  ASSERT_EQ(tools.size(), 2U);
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
  EXPECT_EQ(call("prompts/list").at("result").at("prompts"), json::array());
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
