// The calls to a node, as a server that says what the test wants hears and answers them.
#include "codec/life_mark.hpp"
#include "http/server.hpp"
#include "orch/http_node_transport.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sandboxd::orch {
namespace {

// What a stock node or ours could say next, and what was asked.
struct Script {
  int status = 200;
  std::string body = R"({"ok":true})";
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::string> pieces;  // of a streamed answer
  std::vector<http::Request> heard;
};

class Pieces final : public http::BodyStream {
 public:
  explicit Pieces(std::shared_ptr<Script> script) : script_(std::move(script)) {}
  Task<std::optional<std::string>> next() override {
    if (given_ == script_->pieces.size()) co_return std::nullopt;
    co_return script_->pieces[given_++];
  }

 private:
  std::shared_ptr<Script> script_;
  std::size_t given_ = 0;
};

Task<http::Response> answer(std::shared_ptr<Script> script, http::Request request) {
  script->heard.push_back(std::move(request));
  http::Response response;
  response.status = script->status;
  response.body = script->body;
  response.headers = script->headers;
  if (!script->pieces.empty()) {
    response.content_type = "text/event-stream";
    response.stream = std::make_shared<Pieces>(script);
  }
  co_return response;
}

class NodeTransportTest : public testing::Test {
 protected:
  NodeTransportTest() {
    http::Router router;
    for (const char* method : {"GET", "POST", "DELETE"}) {
      http::Route route;
      route.method = method;
      route.pattern = "/{rest...}";
      route.handler = [script = script_](http::Request request) { return answer(script, std::move(request)); };
      EXPECT_TRUE(router.add(std::move(route)));
    }
    server_ = std::make_unique<http::Server>(context_.get_executor(), std::move(router), http::ServerOptions{});
    EXPECT_TRUE(server_->start());
    node_ = {"127.0.0.1", server_->port()};
  }
  ~NodeTransportTest() override {
    bool stopped = false;
    boost::asio::co_spawn(context_, server_->stop(Duration::zero()), [&](std::exception_ptr) { stopped = true; });
    while (!stopped) context_.run_one();
  }

  template <class T>
  Result<T> run(Task<Result<T>> task) {
    std::optional<Result<T>> out;
    boost::asio::co_spawn(context_, std::move(task),
                          [&](std::exception_ptr, Result<T> result) { out = std::move(result); });
    while (!out) context_.run_one();
    return std::move(out).value();
  }
  void says(int status, std::string body) {
    script_->status = status;
    script_->body = std::move(body);
  }
  const http::Request& last() const { return script_->heard.back(); }
  std::string error_of(const Result<void>& result) { return result ? "" : result.error().message(); }

  boost::asio::io_context context_{1};
  std::shared_ptr<Script> script_ = std::make_shared<Script>();
  std::unique_ptr<http::Server> server_;
  model::NodeAddress node_;
  http::Client client_{context_.get_executor()};
  HttpNodeTransport transport_{client_, "hush", {}};
};

TEST_F(NodeTransportTest, every_call_has_the_token_and_the_originals_path) {
  says(200, R"({"ok":true,"resources":{"capacity_cpu_milli":8000},"items":[],"sandbox":{"id":"a","phase":"running"}})");
  EXPECT_TRUE(run(transport_.probe(node_)));
  EXPECT_EQ(last().method + " " + last().target, "GET /healthz");
  EXPECT_EQ(run(transport_.resources(node_))->capacity_cpu_milli, 8000);
  EXPECT_EQ(last().method + " " + last().target, "GET /v1/node/status");
  EXPECT_TRUE(run(transport_.statuses(node_, {SandboxId("a"), SandboxId("b")})));
  EXPECT_EQ(last().method + " " + last().target, "POST /v1/sandboxes/statuses");
  EXPECT_EQ(last().body, R"({"ids":["a","b"]})");
  EXPECT_TRUE(run(transport_.find_sandbox(node_, SandboxId("s/1"))));
  EXPECT_EQ(last().method + " " + last().target, "GET /v1/sandboxes/s%2F1");
  EXPECT_TRUE(run(transport_.list_sandboxes(node_, "")));
  EXPECT_EQ(last().target, "/v1/sandboxes?limit=200");
  EXPECT_TRUE(run(transport_.list_sandboxes(node_, "a b")));
  EXPECT_EQ(last().target, "/v1/sandboxes?limit=200&cursor=a%20b");
  EXPECT_TRUE(run(transport_.reconcile(node_)));
  EXPECT_EQ(last().method + " " + last().target, "POST /v1/reconcile");
  EXPECT_TRUE(run(transport_.remove_sandbox(node_, SandboxId("a"), "u")));
  EXPECT_EQ(last().method + " " + last().target, "DELETE /v1/sandboxes/a?uid=u");
  model::NodeCreateRequest request;
  request.id = SandboxId("a");
  request.uid = std::string(32, 'c');
  codec::mark_life(request);
  says(202, R"({"sandbox":{}})");
  EXPECT_TRUE(run(transport_.create_sandbox(node_, request)));
  EXPECT_EQ(last().method + " " + last().target, "POST /v1/sandboxes");
  EXPECT_NE(last().body.find("sandboxd-uid-" + request.uid), std::string::npos);
  for (const http::Request& heard : script_->heard) EXPECT_EQ(heard.header("Authorization"), "Bearer hush");
}

TEST_F(NodeTransportTest, a_stock_nodes_refusals_are_told_apart_by_their_words) {
  const std::pair<const char*, ErrorCode> cases[] = {
      {"insufficient cpu allocatable: requested=1m used=2m limit=2m (90% of host)", ErrorCode::resource_exhausted},
      {"insufficient ip addresses in subnet 10.89.0.0/16: in_use=1 usable=1", ErrorCode::resource_exhausted},
      {"host port already in use: 20000/tcp (sandbox x)", ErrorCode::resource_exhausted},
      {"host port already reserved: 20000/tcp (sandbox x)", ErrorCode::resource_exhausted},
      {"host port already in use: 20000/tcp (listen tcp: address already in use)", ErrorCode::conflict},
      {"sandbox already exists: a", ErrorCode::already_exists},
      {"lock timeout for a", ErrorCode::unavailable},
      {"duplicate container name: a", ErrorCode::invalid_argument},
  };
  for (const auto& [text, code] : cases) {
    says(400, std::string(R"({"error":")") + text + "\"}");
    const auto refused = run(transport_.create_sandbox(node_, {}));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), code) << text;
    EXPECT_EQ(refused.error().message(), text);
  }
}

TEST_F(NodeTransportTest, our_node_names_the_code_in_a_header) {
  says(400, R"({"error":"insufficient luck"})");
  script_->headers = {{"X-Sandboxd-Error", "conflict"}};
  EXPECT_EQ(run(transport_.create_sandbox(node_, {})).error().code(), ErrorCode::conflict);
}

TEST_F(NodeTransportTest, errors_say_what_the_node_said_or_its_status) {
  says(500, R"({"error":"lock timeout for x"})");
  EXPECT_EQ(error_of(run(transport_.remove_sandbox(node_, SandboxId("x"), ""))), "lock timeout for x");
  says(502, "");
  EXPECT_EQ(error_of(run(transport_.remove_sandbox(node_, SandboxId("x"), ""))), "delete failed: 502 Bad Gateway");
  says(401, R"({"error":"unauthorized"})");
  const auto refused = run(transport_.resources(node_));
  EXPECT_EQ(refused.error().code(), ErrorCode::unauthenticated);
  EXPECT_EQ(refused.error().message(), "the node refused the token: unauthorized");
  says(200, "<html>");
  EXPECT_EQ(run(transport_.statuses(node_, {})).error().code(), ErrorCode::protocol_error);
  EXPECT_EQ(error_of(run(transport_.probe(node_))), "healthz not ok");
  EXPECT_EQ(run(transport_.resources(node_)).error().message(), "node status not ok");
}

TEST_F(NodeTransportTest, only_a_nodes_own_words_say_that_a_sandbox_is_not_there) {
  says(404, R"({"error":"not found"})");
  const auto missing = run(transport_.find_sandbox(node_, SandboxId("a")));
  ASSERT_TRUE(missing);
  EXPECT_FALSE(*missing);
  says(404, "404 page not found");
  EXPECT_FALSE(run(transport_.find_sandbox(node_, SandboxId("a"))));
}

TEST_F(NodeTransportTest, a_node_without_a_stream_is_unsupported_and_not_unavailable) {
  says(404, "404 page not found");
  EXPECT_EQ(run(transport_.watch(node_)).error().code(), ErrorCode::unsupported);
  says(401, "");
  EXPECT_EQ(run(transport_.watch(node_)).error().code(), ErrorCode::unauthenticated);
}

TEST_F(NodeTransportTest, a_streamed_answer_comes_byte_for_byte_and_ends) {
  script_->pieces = {"data: one\n\n", "data: t", "wo\n\n"};
  ports::NodeCall call;
  call.path = "/v1/sandboxes/a/logs?follow=true";
  auto stream = run(transport_.stream(node_, call)).value();
  EXPECT_EQ(last().target, "/v1/sandboxes/a/logs?follow=true");
  EXPECT_EQ(last().header("Authorization"), "Bearer hush");
  std::string all;
  while (auto bytes = run(stream->next()).value()) all += *bytes;
  EXPECT_EQ(all, "data: one\n\ndata: two\n\n");
}

TEST_F(NodeTransportTest, a_refused_stream_says_what_the_node_said) {
  ports::NodeCall call;
  call.path = "/v1/sandboxes/a/logs?follow=true";
  says(404, R"({"error":"logs not found"})");
  EXPECT_EQ(run(transport_.stream(node_, call)).error(), Error(ErrorCode::not_found, "logs not found"));
  says(200, R"({"sandbox_id":"a","logs":{"lines":[]}})");
  EXPECT_EQ(run(transport_.stream(node_, call)).error().code(), ErrorCode::unsupported)
      << "a stock node knows no follow";
}

TEST_F(NodeTransportTest, wishes_have_their_life_and_their_order) {
  using ports::LifeVerb;
  says(202, R"({"sandbox":{"id":"s/1","phase":"stopping"}})");
  EXPECT_TRUE(run(transport_.change_life(node_, SandboxId("s/1"), "u 1", LifeVerb::stop, 17)));
  EXPECT_EQ(last().method + " " + last().target, "POST /v1/sandboxes/s%2F1/stop?uid=u%201&order=17&wait=false");
  for (const LifeVerb verb : {LifeVerb::pause, LifeVerb::resume, LifeVerb::start}) {
    EXPECT_TRUE(run(transport_.change_life(node_, SandboxId("a"), "u", verb, 18)));
    EXPECT_EQ(last().target, "/v1/sandboxes/a/" + std::string(ports::to_string(verb)) + "?uid=u&order=18");
  }
}

TEST_F(NodeTransportTest, a_wish_that_is_so_already_has_come_true) {
  using ports::LifeVerb;
  const auto outcome = [&](LifeVerb verb, const char* reason) {
    says(409, R"({"error":"no"})");
    script_->headers = {{"X-Sandboxd-Reason", reason}, {"X-Sandboxd-Error", "conflict"}};
    return run(transport_.change_life(node_, SandboxId("a"), "u", verb, 1));
  };
  EXPECT_TRUE(outcome(LifeVerb::pause, "already_paused"));
  EXPECT_TRUE(outcome(LifeVerb::resume, "not_paused"));
  EXPECT_TRUE(outcome(LifeVerb::stop, "already_stopped"));
  EXPECT_TRUE(outcome(LifeVerb::start, "already_running"));
  EXPECT_TRUE(outcome(LifeVerb::stop, "outdated")) << "a later one is so";
  for (const char* reason : {"not_running", "deleting", "files_gone", "already_running", ""}) {
    const auto refused = outcome(LifeVerb::pause, reason);
    ASSERT_FALSE(refused) << reason;
    EXPECT_EQ(refused.error().code(), ErrorCode::conflict) << reason;
  }
  EXPECT_FALSE(outcome(LifeVerb::start, "already_stopped")) << "of another verb";
}

TEST_F(NodeTransportTest, a_node_without_wishes_is_told_from_one_without_the_sandbox) {
  const auto ask = [&] { return run(transport_.change_life(node_, SandboxId("a"), "u", ports::LifeVerb::pause, 1)); };
  for (const int status : {404, 405}) {
    says(status, "404 page not found");
    EXPECT_EQ(ask().error().code(), ErrorCode::unsupported) << status;
  }
  says(404, R"({"error":"not found"})");
  script_->headers = {{"X-Sandboxd-Error", "not_found"}};
  EXPECT_EQ(ask().error().code(), ErrorCode::not_found);
  says(503, R"({"error":"starting"})");
  script_->headers = {{"X-Sandboxd-Error", "unavailable"}};
  EXPECT_EQ(ask().error().code(), ErrorCode::unavailable);
}

}  // namespace
}  // namespace sandboxd::orch
