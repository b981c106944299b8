// /api/v1/nodes/{id}/...: what is passed to the node, and how its answers come back.
#include "api_fixture.hpp"

namespace sandboxd::orch::sandboxd_o {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class ProxyTest : public ApiTest {
 protected:
  ProxyTest() { add_node(); }

  // What reached the node, as "METHOD path".
  std::string last_call() const { return node_->calls.back().method + " " + node_->calls.back().path; }
};

const std::string kContainer = R"({"name":"web","image":"nginx","resource":{"cpu":"200m","memory":"256Mi"}})";

TEST_F(ProxyTest, every_route_reaches_the_node) {
  node_->answer(200, "200 OK", R"({"x":1})");
  for (const auto& [request, call] : std::vector<std::pair<std::pair<std::string, std::string>, std::string>>{
           {{"GET", "/sandboxes"}, "GET /v1/sandboxes"},
           {{"GET", "/sandboxes/s"}, "GET /v1/sandboxes/s"},
           {{"DELETE", "/sandboxes/s"}, "DELETE /v1/sandboxes/s"},
           {{"GET", "/sandboxes/s/logs"}, "GET /v1/sandboxes/s/logs"},
           {{"GET", "/sandboxes/s/containers/c/logs"}, "GET /v1/sandboxes/s/containers/c/logs"},
           {{"POST", "/reconcile"}, "POST /v1/reconcile"}}) {
    const Answer answer = ask(request.first, "/api/v1/nodes/n" + request.second);
    EXPECT_EQ(answer.status, 200) << call;
    EXPECT_THAT(answer.body, StartsWith(R"({"x":1)")) << call;
    EXPECT_EQ(last_call(), call);
  }
}

TEST_F(ProxyTest, an_unknown_node_is_404_before_anything_else) {
  for (const auto& [method, path] :
       std::vector<std::pair<std::string, std::string>>{{"GET", "/sandboxes"},
                                                        {"POST", "/sandboxes"},
                                                        {"GET", "/sandboxes/s"},
                                                        {"DELETE", "/sandboxes/s"},
                                                        {"GET", "/sandboxes/s/logs"},
                                                        {"GET", "/sandboxes/s/containers/c/logs"},
                                                        {"POST", "/reconcile"}}) {
    const Answer answer = ask(method, "/api/v1/nodes/x" + path, "not json");
    EXPECT_EQ(answer.status, 404) << method << path;
    EXPECT_EQ(answer.error(), "node not found");
  }
  EXPECT_TRUE(node_->calls.empty());
}

TEST_F(ProxyTest, ids_and_names_are_escaped_again) {
  node_->answer(200, "200 OK", "{}");
  EXPECT_EQ(ask("GET", "/api/v1/nodes/n/sandboxes/a%20b%3F/logs").status, 200);
  EXPECT_EQ(last_call(), "GET /v1/sandboxes/a%20b%3F/logs");
  EXPECT_EQ(ask("GET", "/api/v1/nodes/n/sandboxes/a/containers/%2E%2E/logs").status, 200);
  EXPECT_EQ(last_call(), "GET /v1/sandboxes/a/containers/../logs") << "dots need no escape; the node checks names";
}

TEST_F(ProxyTest, the_part_of_a_log_that_is_asked_for_reaches_the_node) {
  node_->answer(200, "200 OK", "{}");
  EXPECT_EQ(ask("GET", "/api/v1/nodes/n/sandboxes/a/logs?tail=5&other=1&since=10m").status, 200);
  EXPECT_EQ(last_call(), "GET /v1/sandboxes/a/logs?since=10m&tail=5");
  EXPECT_EQ(ask("GET", "/api/v1/nodes/n/sandboxes/a/containers/c/logs?tail=%26&since=").status, 200);
  EXPECT_EQ(last_call(), "GET /v1/sandboxes/a/containers/c/logs?tail=%26");
}

TEST_F(ProxyTest, a_log_is_not_followed_on_a_node_that_cannot) {
  EXPECT_EQ(ask("GET", "/api/v1/nodes/n/sandboxes/a/logs?follow=true").status, 502);
  ASSERT_EQ(create("a").status, 201);
  const Answer refused = get("/api/v1/sandboxes/a/logs?follow=true");
  EXPECT_EQ(refused.status, 409) << refused.body;
  EXPECT_THAT(refused.error(), HasSubstr("ask without follow"));
}

TEST_F(ProxyTest, a_page_is_asked_for_as_the_original_does) {
  node_->answer(200, "200 OK", R"({"items":[]})");
  for (const auto& [query, passed] :
       std::vector<std::pair<std::string, std::string>>{{"", ""},
                                                        {"?limit=5", "?limit=5"},
                                                        {"?limit=0", ""},
                                                        {"?limit=-1&cursor=a%20b", "?cursor=a%20b"},
                                                        {"?limit=x", ""},
                                                        {"?limit=7&cursor=a&other=1", "?limit=7&cursor=a"},
                                                        {"?cursor=", ""},
                                                        {"?limit=99999999999999999999", ""}}) {
    EXPECT_EQ(get("/api/v1/nodes/n/sandboxes" + query).status, 200);
    EXPECT_EQ(last_call(), "GET /v1/sandboxes" + passed) << query;
  }
}

TEST_F(ProxyTest, answers_come_back_digit_for_digit) {
  const std::string body = R"({"b":12345678901234567890123,"a":[1e400,0.10,{"z":null}],"t":"\u003c\u00e9"})";
  node_->answer(202, "202 Accepted", "\n " + body + " \n");
  const Answer answer = ask("DELETE", "/api/v1/nodes/n/sandboxes/s");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, body);
}

TEST_F(ProxyTest, list_and_get_tell_the_nodes_endpoint) {
  node_->answer(200, "200 OK", R"({"items":[],"next_cursor":"s"})");
  EXPECT_EQ(get("/api/v1/nodes/n/sandboxes").body, R"x({"items":[],"next_cursor":"s","external":"(none)"})x");
  ASSERT_EQ(ask("POST", "/api/v1/externals", R"({"id":"e","spec":{"node_id":"n","external":"\"x\""}})").status, 200);
  node_->answer(200, "200 OK", "{ }");
  EXPECT_EQ(get("/api/v1/nodes/n/sandboxes/s").body, R"({ "external":"\"x\""})");
  node_->answer(200, "200 OK", R"({"external":"the node's own"})");
  EXPECT_EQ(get("/api/v1/nodes/n/sandboxes/s").body, R"({"external":"the node's own"})");
}

TEST_F(ProxyTest, an_empty_answer_is_ok) {
  for (const char* body : {"", " \n", "null"}) {
    node_->answer(204, "204 No Content", body);
    EXPECT_EQ(ask("POST", "/api/v1/nodes/n/reconcile").body, R"({"ok":true})");
  }
}

TEST_F(ProxyTest, what_the_node_refuses_is_502_with_its_words) {
  node_->answer(404, "404 Not Found", R"({"error":"not found"} )");
  const Answer missing = get("/api/v1/nodes/n/sandboxes/s");
  EXPECT_EQ(missing.status, 502);
  EXPECT_EQ(missing.error(), R"(sandboxd GET /v1/sandboxes/s failed: {"error":"not found"})");
  node_->answer(413, "413 Content Too Large", "");
  EXPECT_EQ(get("/api/v1/nodes/n/sandboxes/s/logs").error(),
            "sandboxd GET /v1/sandboxes/s/logs failed: 413 Content Too Large");
  node_->answer(500, "500 Internal Server Error", std::string(1 << 20, 'x') + "\xff");
  const Answer large = ask("POST", "/api/v1/nodes/n/reconcile");
  EXPECT_EQ(large.status, 502);
  EXPECT_LT(large.body.size(), 5000U);
}

TEST_F(ProxyTest, nonsense_of_the_node_is_502) {
  for (const std::string& body :
       {std::string("nonsense"), std::string("[1]"), std::string("\"a\""), std::string("5"), std::string("{\"a\":1} x"),
        std::string("{\"a\":"), std::string("{\"a\":\"\xff\"}"), std::string(200, '[')}) {
    node_->answer(200, "200 OK", body);
    const Answer answer = get("/api/v1/nodes/n/sandboxes");
    EXPECT_EQ(answer.status, 502) << body;
    EXPECT_THAT(answer.error(), StartsWith("decode sandboxd response: ")) << body;
  }
}

TEST_F(ProxyTest, a_node_that_does_not_answer_is_502) {
  transport_.detach(7);
  const Answer refused = get("/api/v1/nodes/n/sandboxes");
  EXPECT_EQ(refused.status, 502);
  EXPECT_EQ(refused.error(), "connection refused");
  EXPECT_EQ(refused.headers.at("X-Sandboxd-Error"), "unavailable");
  transport_.attach(7, node_);
  transport_.options.reset_after = std::chrono::hours(1);
  transport_.cut(7, true, true);
  const Answer silent = get("/api/v1/nodes/n/sandboxes");
  EXPECT_EQ(silent.status, 502);
  EXPECT_THAT(silent.error(), HasSubstr("not done within 60000 ms"));
}

TEST_F(ProxyTest, too_many_calls_at_once_are_429) {
  transport_.options.reset_after = std::chrono::hours(1);
  transport_.cut(7, true, true);
  const NodeRef node = *run(service_->get_node(NodeId("n")));
  std::vector<std::string> ends;
  for (std::size_t n = 0; n < limits::kPassedCallsPerNodeMax; ++n) {
    boost::asio::co_spawn(context_, service_->call_node(node, {}), [&](std::exception_ptr, Result<std::string> answer) {
      ends.push_back(answer ? *answer : answer.error().message());
    });
  }
  context_.restart();
  context_.poll();
  const Answer refused = get("/api/v1/nodes/n/sandboxes");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.headers.at("Retry-After"), "1");
  run_for(std::chrono::seconds(61));
  EXPECT_EQ(ends.size(), limits::kPassedCallsPerNodeMax);
  transport_.cut(7, false, false);
  node_->answer(200, "200 OK", "{}");
  EXPECT_EQ(get("/api/v1/nodes/n/sandboxes").status, 200);
}

// ---- create

TEST_F(ProxyTest, a_create_is_understood_in_both_spellings_and_passed_on_in_the_nodes) {
  node_->answer(202, "202 Accepted", R"({"sandbox":{"id":"s","phase":"creating"}})");
  const std::string camel = R"({"id":"s","egress":true,"uid":"mine","ports":[{"hostPort":30080,"containerPort":80,)"
                            R"("protocol":"tcp"}],"unknown":1,"containers":[)" +
                            kContainer + "]}";
  const std::string snake = R"({"id":"s","egress":true,"ports":[{"host_port":30080,"container_port":80,)"
                            R"("protocol":"tcp"}],"containers":[)" +
                            kContainer + "]} trailing";
  std::vector<std::string> bodies;
  for (const std::string& body : {camel, snake}) {
    const Answer made = ask("POST", "/api/v1/nodes/n/sandboxes", body);
    EXPECT_EQ(made.status, 200) << made.body;
    EXPECT_EQ(made.body, R"({"sandbox":{"id":"s","phase":"creating"}})");
    EXPECT_EQ(last_call(), "POST /v1/sandboxes");
    bodies.push_back(node_->calls.back().body);
  }
  EXPECT_EQ(bodies[0], R"({"id":"s","egress":true,"ports":[{"hostPort":30080,"containerPort":80,"protocol":"tcp"}],)"
                       R"("containers":[)" +
                           kContainer + "]}");
  EXPECT_EQ(bodies[0], bodies[1]);
}

TEST_F(ProxyTest, a_bad_create_is_refused_here_in_the_nodes_words) {
  const auto with = [](const std::string& head, const std::string& container = kContainer) {
    return "{" + head + R"("containers":[)" + container + "]}";
  };
  for (const auto& [body, message] : std::vector<std::pair<std::string, std::string>>{
           {"{}", "id is required"},
           {R"({"id":"../../tmp/hello"})", "id contains invalid path characters"},
           {R"({"id":"s"})", "at least one container is required"},
           {with(R"("id":"s",)", R"({"name":"web","image":"nginx"})"), "container web: cpu is required"},
           {with(R"("id":"s","ports":[{"hostPort":80,"containerPort":80}],)"),
            "privileged host ports are not allowed: 80"},
           {with(R"("id":"s","ports":[{"containerPort":80}],)"), "invalid port mapping: 0:80"},
           {with(R"("id":"s","ports":[{"host_port":2000,"container_port":80,"protocol":"sctp"}],)"),
            "unsupported protocol: sctp"},
           {with(R"("id":"s","volumes":[{"name":"v"}],)"), "volume v: ephemeralStorage is required"}}) {
    const Answer refused = ask("POST", "/api/v1/nodes/n/sandboxes", body);
    EXPECT_EQ(refused.status, 400) << body;
    EXPECT_EQ(refused.error(), message) << body;
  }
  for (const char* body : {"", "{", "[]", R"({"id":5})"}) {
    EXPECT_EQ(ask("POST", "/api/v1/nodes/n/sandboxes", body).status, 400) << body;
  }
  EXPECT_TRUE(node_->calls.empty()) << "nothing reached the node";
}

// ---- a sandbox's own logs

TEST_F(ProxyTest, logs_of_a_sandbox_keep_the_nodes_status) {
  EXPECT_EQ(get("/api/v1/sandboxes/s/logs").status, 404);
  ASSERT_EQ(create("s").status, 201);
  run_for(std::chrono::seconds(1));
  node_->answer(200, "200 OK", R"({"sandbox_id":"s","logs":{"lines":["<x>"]}})");
  EXPECT_EQ(get("/api/v1/sandboxes/s/logs").body, R"({"sandbox_id":"s","logs":{"lines":["<x>"]}})");
  EXPECT_EQ(get("/api/v1/sandboxes/s/containers/app/logs").status, 200);
  EXPECT_EQ(last_call(), "GET /v1/sandboxes/s/containers/app/logs");
  node_->script = [](const ports::NodeCall&) {
    ports::NodeAnswer answer;
    answer.status = 404;
    answer.code = ErrorCode::not_found;
    answer.body = R"({"error":"logs not found"})";
    return Result<ports::NodeAnswer>(answer);
  };
  const Answer missing = get("/api/v1/sandboxes/s/logs");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(missing.error(), "logs not found");
  ASSERT_EQ(create("huge", "", "9").status, 201);
  EXPECT_EQ(get("/api/v1/sandboxes/huge/logs").error(), "sandbox huge is not on a node (phase pending)");
}

}  // namespace
}  // namespace sandboxd::orch::sandboxd_o
