// What a client sees of the server: answers, errors, the order of checks, connections kept alive.
#include "http/server.hpp"

#include "base/log.hpp"
#include "fixture.hpp"
#include "http/bearer_auth.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace sandboxd::http::test {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// Collects log lines of every level while it lives.
class LogCapture {
 public:
  LogCapture() {
    configure_logging({.level = LogLevel::debug});
    set_log_observer([this](const LogRecord& record) {
      const std::scoped_lock lock(mutex_);
      lines_.emplace_back(record.line);
    });
  }
  ~LogCapture() {
    set_log_observer({});
    configure_logging({});
  }
  // The first line with all of `parts`, or empty.
  std::string find(const std::vector<std::string>& parts) {
    const std::scoped_lock lock(mutex_);
    for (const auto& line : lines_) {
      const bool has_all =
          std::ranges::all_of(parts, [&](const auto& part) { return line.find(part) != std::string::npos; });
      if (has_all) return line;
    }
    return {};
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

TEST(Server, answers_and_keeps_the_connection) {
  TestServer server;
  RawClient client(server.port());
  for (int i = 0; i < 3; ++i) {
    const std::string answer = client.ask(server.get("/items/a%20" + std::to_string(i)));
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(answer, EndsWith("\r\n\r\nitem a " + std::to_string(i)));
    EXPECT_THAT(answer, Not(HasSubstr("Connection:")));
  }
  client.send(server.get("/hello", "Connection: close\r\n"));
  EXPECT_THAT(client.read_to_end(), HasSubstr("Connection: close\r\n"));
}

TEST(Server, requests_sent_in_one_go_are_answered_in_order) {
  TestServer server;
  RawClient client(server.port());
  client.send(server.get("/items/1") + server.post("/echo", "body") + server.get("/items/2"));
  EXPECT_THAT(client.read_answer(), EndsWith("item 1"));
  EXPECT_THAT(client.read_answer(), EndsWith("body"));
  EXPECT_THAT(client.read_answer(), EndsWith("item 2"));
}

TEST(Server, bytes_may_arrive_one_by_one) {
  TestServer server;
  RawClient client(server.port());
  const std::string request = server.post("/echo", "hello");
  for (const char& c : request) client.send(std::string_view(&c, 1));
  EXPECT_THAT(client.read_answer(), EndsWith("\r\n\r\nhello"));
}

TEST(Server, an_http_1_0_connection_closes_unless_asked_otherwise) {
  TestServer server;
  RawClient closing(server.port());
  closing.send("GET /hello HTTP/1.0\r\n\r\n");
  EXPECT_THAT(closing.read_to_end(), StartsWith("HTTP/1.0 200 OK\r\n"));
  RawClient staying(server.port());
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(staying.ask("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
                HasSubstr("Connection: keep-alive\r\n"));
  }
}

TEST(Server, unknown_paths_and_methods_are_not_found_without_authentication) {
  TestServer server;
  RawClient client(server.port());
  for (const std::string& request : {server.get("/nothing"), server.post("/secret", "x"), server.get("/Secret"),
                                     "HEAD /secret HTTP/1.1\r\nHost: " + server.host() + "\r\n\r\n"}) {
    const bool is_head = request.starts_with("HEAD");
    client.send(request);
    const std::string answer = is_head ? client.read_until("\r\n\r\n") : client.read_answer();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n")) << request;
    EXPECT_THAT(answer, HasSubstr("Content-Length: 18\r\n"));
    if (!is_head) {
      EXPECT_THAT(answer, EndsWith("\r\n\r\n404 page not found"));
    }
  }
}

TEST(Server, a_superfluous_slash_redirects_without_authentication) {
  TestServer server;
  RawClient client(server.port());
  const std::string get = client.ask(server.get("/secret/?a=1"));
  EXPECT_THAT(get, StartsWith("HTTP/1.1 301 Moved Permanently\r\n"));
  EXPECT_THAT(get, HasSubstr("Location: /secret?a=1\r\n"));
  EXPECT_THAT(get, HasSubstr("Content-Type: text/html; charset=utf-8\r\n"));
  const std::string post = client.ask(server.post("/echo/", "x"));
  EXPECT_THAT(post, StartsWith("HTTP/1.1 307 Temporary Redirect\r\n"));
  EXPECT_THAT(post, HasSubstr("Location: /echo\r\n"));
  EXPECT_THAT(post, Not(HasSubstr("Content-Type")));
}

TEST(Server, only_routes_that_need_it_are_authenticated) {
  TestServer server;
  RawClient client(server.port());
  const std::string refused = client.ask(server.get("/secret"));
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 401 Unauthorized\r\n"));
  EXPECT_THAT(refused, EndsWith(R"({"error":"unauthorized"})"));
  EXPECT_THAT(client.ask(server.get("/secret", "Authorization: Bearer good\r\n")), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(client.ask(server.get("/hello")), StartsWith("HTTP/1.1 200"));
}

TEST(Server, foreign_hosts_and_origins_are_refused_before_authentication) {
  TestServer server;
  RawClient client(server.port());
  const std::string rebound = client.ask("GET /secret HTTP/1.1\r\nHost: evil.example:8082\r\n\r\n");
  EXPECT_THAT(rebound, StartsWith("HTTP/1.1 403 Forbidden\r\n"));
  EXPECT_THAT(rebound, HasSubstr(R"({"error":"host name not allowed here)"));
  EXPECT_THAT(client.ask(server.get("/secret", "Origin: http://evil.example\r\n")), StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(client.ask(server.get("/hello", "Origin: http://" + server.host() + "\r\n")), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(client.ask("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"), StartsWith("HTTP/1.1 200"));
  // The host of an absolute target counts, not the field beside it.
  EXPECT_THAT(client.ask("GET http://evil.example/hello HTTP/1.1\r\nHost: localhost\r\n\r\n"),
              StartsWith("HTTP/1.1 403"));
}

TEST(Server, a_listener_with_a_token_serves_any_host_while_it_has_one) {
  auto is_guarded = std::make_shared<std::atomic<bool>>(true);
  TestServer server({.is_guarded = [is_guarded] { return is_guarded->load(); }});
  RawClient client(server.port());
  const std::string named = "GET /secret HTTP/1.1\r\nHost: sandboxd.example\r\n";
  EXPECT_THAT(client.ask(named + "Authorization: Bearer good\r\n\r\n"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(client.ask(named + "\r\n"), StartsWith("HTTP/1.1 401"));
  EXPECT_THAT(client.ask(named + "Origin: http://evil.example\r\n\r\n"), StartsWith("HTTP/1.1 403"));
  *is_guarded = false;
  EXPECT_THAT(client.ask(named + "Authorization: Bearer good\r\n\r\n"), StartsWith("HTTP/1.1 403"));
}

TEST(Server, its_own_refusals_name_their_code) {
  TestServer server;
  RawClient client(server.port());
  const std::string foreign = "GET /hello HTTP/1.1\r\nHost: evil.example\r\n\r\n";
  for (const auto& [request, code] :
       std::vector<std::pair<std::string, std::string>>{{server.get("/none"), "not_found"},
                                                        {foreign, "permission_denied"},
                                                        {server.get("/throw"), "internal"},
                                                        {server.post("/echo", std::string(1001, 'x')), "too_large"}}) {
    EXPECT_THAT(client.ask(request), HasSubstr("X-Sandboxd-Error: " + code + "\r\n")) << request.substr(0, 40);
  }
  RawClient malformed(server.port());
  malformed.send("nonsense\r\n\r\n");
  EXPECT_THAT(malformed.read_to_end(), HasSubstr("X-Sandboxd-Error: invalid_argument\r\n"));
  EXPECT_THAT(RawClient(server.port()).ask(server.get("/hello")), Not(HasSubstr("X-Sandboxd-Error")));
}

TEST(Server, a_public_listener_serves_any_host) {
  TestServer server({.check_origin = false});
  RawClient client(server.port());
  EXPECT_THAT(client.ask("GET /hello HTTP/1.1\r\nHost: app.example\r\nOrigin: http://b.example\r\n\r\n"),
              StartsWith("HTTP/1.1 200"));
}

TEST(Server, every_answer_has_a_request_id_and_a_given_one_is_kept) {
  TestServer server;
  RawClient client(server.port());
  const std::string given = client.ask(server.get("/hello", "X-Request-Id: my-id.1\r\n"));
  EXPECT_THAT(given, HasSubstr("X-Request-Id: my-id.1\r\n"));
  EXPECT_THAT(given, EndsWith("hello my-id.1"));
  for (const std::string& request : {server.get("/hello"), server.get("/none"), server.get("/secret"),
                                     server.get("/throw"), server.get("/hello", "X-Request-Id: a b\r\n")}) {
    EXPECT_THAT(client.ask(request), testing::ContainsRegex("X-Request-Id: [0-9a-f]{16}\r\n")) << request;
  }
  RawClient malformed(server.port());
  malformed.send("nonsense\r\n\r\n");
  EXPECT_THAT(malformed.read_to_end(), testing::ContainsRegex("X-Request-Id: [0-9a-f]{16}\r\n"));
}

TEST(Server, a_failing_handler_gives_500_and_an_error_in_the_log) {
  LogCapture log;
  TestServer server;
  RawClient client(server.port());
  const std::string answer = client.ask(server.get("/throw", "X-Request-Id: r1\r\n"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 500 Internal Server Error\r\n"));
  EXPECT_THAT(answer, Not(HasSubstr("planted")));
  EXPECT_NE(log.find({"\"level\":\"error\"", "planted failure", "\"request_id\":\"r1\"", "/throw"}), "");
  EXPECT_THAT(client.ask(server.get("/hello")), StartsWith("HTTP/1.1 200"));
}

TEST(Server, access_log_is_quiet_about_successful_reads) {
  LogCapture log;
  TestServer server;
  RawClient client(server.port());
  client.ask(server.get("/hello", "X-Request-Id: r1\r\n"));
  client.ask(server.post("/echo", "x", "X-Request-Id: r2\r\n"));
  client.ask(server.get("/a\"b", "X-Request-Id: r3\r\n"));
  client.ask(server.get("/none", "X-Request-Id: r4\r\n"));
  server.stop(Duration::zero());  // the line is written after the answer
  const std::string message = R"("msg":"http request")";
  EXPECT_NE(log.find({message, R"("level":"debug")", "r1", R"("status":200)"}), "");
  EXPECT_NE(log.find({message, R"("level":"info")", "r2", R"("method":"POST")", R"("path":"/echo")",
                      R"("ip":"127.0.0.1")", "\"latency\":"}),
            "");
  EXPECT_NE(log.find({message, "r3", R"("path":"/a\"b")"}), "");
  EXPECT_NE(log.find({message, R"("level":"info")", "r4", R"("status":404)"}), "");
}

TEST(Server, access_log_has_one_object_with_query_and_user_agent_and_no_secret) {
  LogCapture log;
  TestServer server({.access_log = AccessLog::all});
  RawClient client(server.port());
  client.ask(server.get("/hello?page=2&Access_Token=hidden&x",
                        "User-Agent: curl/8\r\nX-Request-Id: r1\r\n"
                        "Authorization: Bearer hidden\r\n"));
  server.stop(Duration::zero());
  const std::string line = log.find({"http request", "r1"});
  EXPECT_THAT(line, HasSubstr(R"("level":"info")"));
  EXPECT_THAT(line, testing::ContainsRegex("\"http\":\\{\"method\":\"GET\",\"path\":\"/hello\",\"status\":200,"
                                           "\"latency\":[0-9]+,\"ip\":\"127.0.0.1\","));
  EXPECT_THAT(line, HasSubstr(R"("query":"page=2&Access_Token=***&x","user_agent":"curl/8")"));
  EXPECT_THAT(line, Not(HasSubstr("hidden")));
}

TEST(Server, access_log_can_be_narrowed) {
  LogCapture log;
  TestServer server({.access_log = AccessLog::failures});
  RawClient client(server.port());
  client.ask(server.post("/echo", "x", "X-Request-Id: r1\r\n"));
  client.ask(server.get("/none", "X-Request-Id: r2\r\n"));
  server.stop(Duration::zero());
  EXPECT_NE(log.find({"http request", "r1", R"("level":"debug")"}), "");
  EXPECT_NE(log.find({"http request", "r2", R"("level":"info")"}), "");
}

TEST(Server, traffic_is_counted_by_route) {
  auto traffic = std::make_shared<Traffic>();
  {
    TestServer server({.traffic = traffic});
    RawClient client(server.port());
    client.ask(server.get("/items/1"));
    client.ask(server.get("/items/2"));
    client.ask(server.get("/secret"));
    client.ask(server.get("/nobody/knows/this"));
  }
  const auto& routes = traffic->routes();
  EXPECT_EQ(routes.at({"/items/{id}", "GET"}).answers.at(200), 2U);
  EXPECT_EQ(routes.at({"/items/{id}", "GET"}).latency.count(), 2U);
  EXPECT_EQ(routes.at({"/secret", "GET"}).answers.at(401), 1U);
  EXPECT_EQ(routes.at({"", ""}).answers.at(404), 1U);
  EXPECT_EQ(routes.size(), 3U);
  EXPECT_EQ(traffic->accepted, 1U);
  EXPECT_EQ(traffic->connections, 0U);
}

TEST(BearerAuth, reads_the_header_as_the_original_does) {
  const auto check = bearer_auth(std::make_shared<TokenSet>("s3cret", std::vector<std::string>{"old"}));
  const auto is_let_in = [&](const std::string& header) {
    Request request;
    if (!header.empty()) request.headers.emplace("Authorization", header);
    return !check(request).has_value();
  };
  for (const char* good : {"Bearer s3cret", "bearer s3cret", "s3cret", "  Bearer   s3cret ", "BEARER old"}) {
    EXPECT_TRUE(is_let_in(good)) << good;
  }
  for (const char* bad : {"", "Bearer", "Bearer s3cre", "Bearer s3crets", "Basic s3cret", "S3CRET", "Bearer old2"}) {
    EXPECT_FALSE(is_let_in(bad)) << bad;
  }
}

TEST(BearerAuth, a_refusal_names_its_code) {
  const auto refusal = bearer_auth(std::make_shared<TokenSet>("s3cret", std::vector<std::string>{}))(Request());
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->status, 401);
  EXPECT_THAT(refusal->headers, testing::Contains(testing::Pair("X-Sandboxd-Error", "unauthenticated")));
}

TEST(BearerAuth, tokens_can_be_replaced_and_none_lets_everybody_in) {
  const auto tokens = std::make_shared<TokenSet>("one", std::vector<std::string>());
  EXPECT_FALSE(tokens->accepts("two"));
  tokens->replace("two", {"one"});
  EXPECT_TRUE(tokens->accepts("one"));
  EXPECT_TRUE(tokens->accepts("two"));
  EXPECT_FALSE(tokens->accepts(""));
  tokens->replace("", {"one"});
  EXPECT_TRUE(tokens->accepts("anything"));
}

TEST(Server, errors_take_the_dialects_shape) {
  TestServer server({.error_response = [](int status, std::string_view message, const Request&) {
    Response response;
    response.status = status;
    response.body = "dialect: " + std::string(message);
    return response;
  }});
  RawClient client(server.port());
  EXPECT_THAT(client.ask(server.get("/throw")), HasSubstr("\r\n\r\ndialect: internal error"));
}

TEST(Server, an_answer_without_a_body_has_none) {
  TestServer server;
  RawClient client(server.port());
  EXPECT_THAT(client.ask(server.get("/empty")), Not(HasSubstr("Content-Length")));
  EXPECT_THAT(client.ask(server.get("/hello")), StartsWith("HTTP/1.1 200"));
}

TEST(Server, large_bodies_go_both_ways) {
  TestServer server;
  RawClient client(server.port());
  const std::string body(3 << 20, 'y');
  EXPECT_THAT(client.ask(server.post("/large", body)), EndsWith(body));
  EXPECT_EQ(client.ask(server.get("/bytes?n=20000000")).size(),
            client.ask(server.get("/bytes?n=10000000")).size() + 10000000);
}

TEST(Server, says_why_it_cannot_listen) {
  TestServer first;
  aio::IoRuntime runtime("other");
  Server second(runtime.context().get_executor(), Router(), {.port = first.port()});
  const auto taken = second.start();
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code(), ErrorCode::unavailable);
  EXPECT_EQ(taken.error().message(), "cannot listen on " + first.host() +
                                         ": address already in use (another sandboxd? choose another --listen)");
  Server nowhere(runtime.context().get_executor(), Router(), {.address = "192.0.2.1"});
  const auto foreign = nowhere.start();
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code(), ErrorCode::unavailable);
  Server named(runtime.context().get_executor(), Router(), {.address = "some name"});
  const auto malformed = named.start();
  ASSERT_FALSE(malformed);
  EXPECT_EQ(malformed.error().code(), ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace sandboxd::http::test
