// An MCP server with tools, a resource and a prompt. Requests go the way that the server sends them.
#pragma once

#include "codec/json.hpp"
#include "http/sse.hpp"
#include "orch/api/mcp/server.hpp"
#include "sim/sim_clock.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace sandboxd::orch::mcp {

namespace json = codec::json;

inline json::object schema() {
  return json::parse(R"({"type":"object","properties":{"id":{"type":"string"},"count":{"type":["integer","null"]},
    "env":{"type":"array","items":{"type":"string"}}},"required":["id"],"additionalProperties":false})")
      .as_object();
}

inline Task<Result<json::value>> greet(json::object arguments, TellProgress) {
  const std::string id(arguments["id"].as_string());
  if (id == "none") co_return Error(ErrorCode::not_found, "sandbox not found");
  json::object out;
  out["hello"] = id;
  co_return json::value(out);
}

class McpTest : public testing::Test {
 protected:
  McpTest() {
    const auto offer = std::make_shared<Offer>();
    offer->info = {"opensbx", "1.0.0", "be kind"};
    Tools* tools = &offer->tools;
    EXPECT_TRUE(tools->add({"greet", "Says hello.", schema(), greet}));
    json::object empty;
    empty["type"] = "object";
    EXPECT_TRUE(tools->add({"another", "Comes first.", empty, greet}));
    EXPECT_FALSE(tools->add({"greet", "Twice.", schema(), greet}));
    EXPECT_TRUE(tools->add({"wait", "Waits.", empty, [this](json::object, TellProgress told) {
                              tell = std::move(told);
                              return wait(this);
                            }}));
    EXPECT_TRUE(offer->library.add(Resource{"x://page", "page", "A page.", "text/plain", "words"}));
    EXPECT_FALSE(offer->library.add(Resource{"x://page", "page", "Twice.", "text/plain", "words"}));
    EXPECT_TRUE(offer->library.add(make_prompt()));
    McpOptions options;
    options.sessions_max = 2;
    server = std::make_shared<McpServer>(
        offer, context.get_executor(), clock, [this] { return "id" + std::to_string(++ids); }, options);
  }
  ~McpTest() override {
    run_until_idle(server->stop());
    EXPECT_EQ(waiting, 0);
  }

  static Prompt make_prompt() {
    Prompt prompt;
    prompt.name = "ask";
    prompt.description = "Asks.";
    prompt.arguments = {{"what", "It.", true}};
    prompt.text = [](const std::map<std::string, std::string>& arguments) {
      const auto found = arguments.find("what");
      return found == arguments.end() ? std::string("for nothing") : "for " + found->second;
    };
    return prompt;
  }
  // A tool that waits for an hour.
  static Task<Result<json::value>> wait(McpTest* test) {
    struct Count {
      explicit Count(int& of) : count(of) { ++count; }
      ~Count() { --count; }
      int& count;
    };
    const Count here(test->waiting);
    co_await test->clock.sleep_for(std::chrono::hours(1));
    co_return json::value("done");
  }
  void run_until_idle(Task<void> task) {
    boost::asio::co_spawn(context, std::move(task), [](const std::exception_ptr& failure) { EXPECT_FALSE(failure); });
    poll();
  }
  void poll() {
    context.restart();
    context.poll();
  }
  // What `stream` says next; it may be that it does not yet.
  struct Piece {
    bool is_there = false;
    std::string text;  // empty at the end
  };
  std::shared_ptr<Piece> ask(const http::Response& response) {
    auto out = std::make_shared<Piece>();
    boost::asio::co_spawn(context, response.stream->next(),
                          [out](const std::exception_ptr& failure, std::optional<std::string> text) {
                            EXPECT_FALSE(failure);
                            out->is_there = true;
                            out->text = text.value_or("");
                          });
    poll();
    return out;
  }
  void pass(Duration time) {
    const MonoTime end = clock.mono_now() + time;
    while (clock.next_deadline() && *clock.next_deadline() <= end) {
      clock.fire_next();
      poll();
    }
    clock.advance_to(end);
  }
  http::Response start_waiting(const std::string& params) {
    return send(request("POST", R"({"jsonrpc":"2.0","id":7,"method":"tools/call","params":)" + params + "}"));
  }
  void cancel(const std::string& id) {
    const std::string text =
        R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":)" + id + "}}";
    EXPECT_EQ(send(request("POST", text)).status, 202);
    poll();
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
  int waiting = 0;    // tools
  TellProgress tell;  // of the last one that began to wait
  std::shared_ptr<McpServer> server;
  std::string session;
};

}  // namespace sandboxd::orch::mcp
