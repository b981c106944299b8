// The reverse proxy: host names, headers, and whole exchanges with a server that stands for a sandbox.
#include "aio/io_runtime.hpp"
#include "aio/notifier.hpp"
#include "http/byte_stream.hpp"
#include "http/web_socket.hpp"
#include "orch/api/proxy/headers.hpp"
#include "orch/api/proxy/host.hpp"
#include "orch/api/proxy/listeners.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

namespace sandboxd::orch::proxy {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

constexpr auto kPatience = std::chrono::seconds(20);

TEST(ProxyHost, is_one_label_before_the_base_domain) {
  EXPECT_EQ(label_of("mi-app.localhost:3000", "localhost"), "mi-app");
  EXPECT_EQ(label_of("mi-app.localhost", "localhost"), "mi-app");
  EXPECT_EQ(label_of("Mi-App.LocalHost:80", "LOCALHOST"), "mi-app");
  EXPECT_EQ(label_of("mi-app.localhost.:80", "localhost"), "mi-app");
  EXPECT_EQ(label_of("a.box.example.com", "box.example.com"), "a");
  for (const char* host : {"localhost", "localhost:3000", "nested.sub.localhost", "mi-app.other.com", ".localhost", "",
                           "[::1]:3000", "127.0.0.1", "a b.localhost", "x.localhost:port", "evillocalhost"}) {
    EXPECT_EQ(label_of(host, "localhost"), std::nullopt) << host;
  }
}

http::Request request_with(std::initializer_list<std::pair<std::string, std::string>> headers) {
  http::Request request;
  request.peer_address = "10.0.0.9";
  for (const auto& [name, value] : headers) request.headers.emplace(name, value);
  return request;
}

TEST(ProxyHeaders, of_one_connection_stay_there) {
  const http::Request request = request_with({{"Host", "a.localhost"},
                                              {"Connection", "keep-alive, X-Secret"},
                                              {"Keep-Alive", "5"},
                                              {"TE", "trailers"},
                                              {"Transfer-Encoding", "chunked"},
                                              {"Content-Length", "3"},
                                              {"X-Secret", "of the hop"},
                                              {"X-Forwarded-For", "1.2.3.4"},
                                              {"Forwarded", "for=1.2.3.4"},
                                              {"x-forwarded-proto", "https"},
                                              {"Cookie", "a=b"}});
  const HeaderList strange = request_headers(request, false);
  EXPECT_THAT(strange, testing::UnorderedElementsAre(Pair("Cookie", "a=b"), Pair("X-Forwarded-For", "10.0.0.9"),
                                                     Pair("X-Forwarded-Host", "a.localhost"),
                                                     Pair("X-Forwarded-Proto", "http")));
  const HeaderList trusted = request_headers(request, true);
  EXPECT_THAT(trusted, Contains(Pair("X-Forwarded-For", "1.2.3.4, 10.0.0.9")));
  EXPECT_THAT(trusted, Contains(Pair("x-forwarded-proto", "https")));
  EXPECT_THAT(trusted, Not(Contains(Pair("X-Forwarded-Proto", "http"))));
}

// ---- whole exchanges

Task<http::Response> describe(http::Request request) {
  http::Response response;
  response.content_type = "text/x-echo";
  response.headers.emplace_back("Set-Cookie", "one=1");
  response.headers.emplace_back("Set-Cookie", "two=2");
  response.body = request.method + " " + request.target + " host=" + std::string(request.header("Host")) +
                  " for=" + std::string(request.header("X-Forwarded-For")) + " body=" + request.body;
  co_return response;
}

Task<http::Response> count(http::Request request) {
  std::uint64_t bytes = 0;
  while (true) {
    auto piece = co_await request.body_reader->next();
    if (!piece || !*piece) break;
    bytes += (*piece)->size();
  }
  http::Response response;
  response.body = std::to_string(bytes);
  co_return response;
}

Task<void> echo(std::shared_ptr<http::WebSocket> socket) {
  while (true) {
    auto message = co_await socket->read();
    if (!message || !*message) co_return;
    const auto written = co_await socket->write(**std::move(message));
    if (!written) co_return;
  }
}
Task<http::Response> web_socket(http::Request request) {
  co_return http::accept_web_socket(std::move(request), echo, {});
}

// One event at once, the next when it is told to.
class TwoEvents final : public http::BodyStream {
 public:
  explicit TwoEvents(std::shared_ptr<aio::Notifier> go) : go_(std::move(go)) {}
  Task<std::optional<std::string>> next() override {
    if (++count_ == 1) co_return "data: one\n\n";
    if (count_ > 2) co_return std::nullopt;
    co_await go_->wait();
    co_return "data: two\n\n";
  }

 private:
  std::shared_ptr<aio::Notifier> go_;
  int count_ = 0;
};
Task<http::Response> events(std::shared_ptr<aio::Notifier> go) {
  http::Response response;
  response.content_type = "text/event-stream";
  response.stream = std::make_shared<TwoEvents>(std::move(go));
  co_return response;
}
Task<void> notify(std::shared_ptr<aio::Notifier> go) {
  go->notify();
  co_return;
}

class HostProxyTest : public testing::Test {
 protected:
  HostProxyTest() {
    http::Router routes;
    http::Route all{std::string(http::kAnyMethod), "/{rest...}", describe, false};
    EXPECT_TRUE(routes.add(std::move(all)));
    http::Route counted{"POST", "/count", count, false, std::size_t{1} << 40};
    counted.streams_body = true;
    EXPECT_TRUE(routes.add(std::move(counted)));
    EXPECT_TRUE(routes.add({"GET", "/ws", web_socket, false}));
    EXPECT_TRUE(routes.add({"GET", "/events", [this](http::Request) { return events(go); }, false}));
    http::ServerOptions options;
    options.check_origin = false;
    const auto executor = runtime.context().get_executor();
    sandbox = std::make_unique<http::Server>(executor, std::move(routes), options);
    EXPECT_TRUE(sandbox->start());
    ProxyOptions proxied;
    proxied.connect_timeout = std::chrono::milliseconds(200);
    proxy = make_proxy(proxied);
    client = std::make_unique<http::Client>(executor);
    targets["app"] = {"127.0.0.1", sandbox->port()};
    targets["dead"] = {"127.0.0.1", 1};
    runtime.start();
  }
  ~HostProxyTest() override {
    runtime.run(proxy->stop(Duration::zero()));
    if (other) runtime.run(other->stop(Duration::zero()));
    runtime.run(sandbox->stop(Duration::zero()));
    runtime.run(drop(this));
    runtime.stop();
  }
  static Task<void> drop(HostProxyTest* self) {
    self->client.reset();
    self->proxy.reset();
    self->other.reset();
    co_return;
  }
  std::unique_ptr<Listeners> make_proxy(ProxyOptions options) {
    auto made = std::make_unique<Listeners>(
        runtime.context().get_executor(), [this](std::string label) { return find(&targets, std::move(label)); },
        std::move(options));
    EXPECT_TRUE(made->start({{"127.0.0.1", 0}}, false));
    return made;
  }
  static Task<Result<HostTarget>> find(const std::map<std::string, HostTarget>* targets, std::string label) {
    const auto found = targets->find(label);
    if (found == targets->end()) co_return Error(ErrorCode::not_found, "no such sandbox");
    co_return found->second;
  }

  http::ClientRequest request(std::string method, std::string host, std::string target) {
    http::ClientRequest made;
    made.host = "127.0.0.1";
    made.port = (other ? other : proxy)->ports().at(0);
    made.method = std::move(method);
    made.target = std::move(target);
    made.host_header = std::move(host);
    made.timeout = kPatience;
    return made;
  }
  template <class T>
  T run(Task<T> task) {
    return boost::asio::co_spawn(runtime.context(), std::move(task), boost::asio::use_future).get();
  }
  http::ClientResponse ask(http::ClientRequest made) {
    auto answer = run(client->send(std::move(made)));
    EXPECT_TRUE(answer) << answer.error().message();
    return answer ? *std::move(answer) : http::ClientResponse{};
  }

  aio::IoRuntime runtime{"proxy-test"};
  std::unique_ptr<http::Server> sandbox;
  std::unique_ptr<Listeners> proxy;
  std::unique_ptr<Listeners> other;  // instead of it, for requests
  std::unique_ptr<http::Client> client;
  std::map<std::string, HostTarget> targets;
  std::shared_ptr<aio::Notifier> go = std::make_shared<aio::Notifier>(runtime.context().get_executor());
};

TEST_F(HostProxyTest, passes_requests_and_answers_on) {
  auto call = request("PUT", "App.Localhost:3000", "/a%20b?c=d");
  call.body = "content";
  const auto answer = ask(std::move(call));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.content_type, "text/x-echo");
  EXPECT_EQ(answer.body, "PUT /a%20b?c=d host=App.Localhost:3000 for=127.0.0.1 body=content");
  EXPECT_EQ(answer.headers.count("Set-Cookie"), 2U);
  EXPECT_EQ(answer.headers.count("X-Request-Id"), 1U);  // the sandbox's own server's
}

TEST_F(HostProxyTest, heads_have_a_length_and_no_body) {
  const auto answer = ask(request("HEAD", "app.localhost", "/"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "");
  EXPECT_NE(answer.headers.find("Content-Length")->second, "0");
}

TEST_F(HostProxyTest, what_cannot_be_reached_looks_all_the_same) {
  for (const char* host : {"nobody.localhost", "dead.localhost"}) {
    const auto answer = ask(request("GET", host, "/"));
    EXPECT_EQ(answer.status, 502);
    EXPECT_EQ(answer.body, "sandbox unavailable");
    EXPECT_EQ(answer.content_type, "text/plain; charset=utf-8");
  }
  const auto answer = ask(request("GET", "localhost", "/"));
  EXPECT_EQ(answer.status, 502);
  EXPECT_EQ(answer.body, "no subdomain in request");
}

TEST_F(HostProxyTest, a_new_life_of_a_name_is_found_at_once) {
  EXPECT_EQ(ask(request("GET", "app.localhost", "/")).status, 200);
  const HostTarget kept = targets["app"];
  targets.erase("app");
  EXPECT_EQ(ask(request("GET", "app.localhost", "/")).status, 502);
  targets["app"] = kept;
  EXPECT_EQ(ask(request("GET", "app.localhost", "/")).status, 200);
}

TEST_F(HostProxyTest, web_sockets_go_through) {
  const auto socket = run(client->open_web_socket(request("GET", "app.localhost", "/ws"), {}));
  ASSERT_TRUE(socket) << socket.error().message();
  const auto written = run((*socket)->write({"hello", true}));
  ASSERT_TRUE(written);
  const auto back = run((*socket)->read());
  ASSERT_TRUE(back && *back);
  EXPECT_EQ((*back)->data, "hello");
  run((*socket)->close(http::kCloseNormal, {}));
}

class Thousands final : public http::BodyReader {
 public:
  Task<Result<std::optional<std::string>>> next() override {
    if (left_-- == 0) co_return std::optional<std::string>();
    co_return std::optional<std::string>(std::string(100'000, 'x'));
  }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return std::nullopt; }

 private:
  int left_ = 200;
};

TEST_F(HostProxyTest, bodies_stream_through) {
  auto call = request("POST", "app.localhost", "/count");
  call.body_stream = std::make_shared<Thousands>();
  EXPECT_EQ(ask(std::move(call)).body, "20000000");
}

TEST_F(HostProxyTest, what_keeps_silent_is_a_gateway_timeout) {
  namespace asio = boost::asio;
  asio::ip::tcp::acceptor silent(runtime.context(), {asio::ip::address_v4::loopback(), 0});
  targets["silent"] = {"127.0.0.1", silent.local_endpoint().port()};
  ProxyOptions impatient;
  impatient.answer_timeout = std::chrono::milliseconds(100);
  other = make_proxy(impatient);
  const auto answer = ask(request("GET", "silent.localhost", "/"));
  EXPECT_EQ(answer.status, 504);
  EXPECT_EQ(answer.body, "sandbox did not answer in time");
}

TEST_F(HostProxyTest, events_go_on_at_once) {
  const auto stream = run(client->open_stream(request("GET", "app.localhost", "/events")));
  ASSERT_TRUE(stream) << stream.error().message();
  EXPECT_EQ((*stream)->content_type(), "text/event-stream");
  const auto first = run((*stream)->next(kPatience));  // the second is not written before it is told to
  ASSERT_TRUE(first && *first);
  EXPECT_EQ(**first, "data: one\n\n");
  run(notify(go));
  const auto second = run((*stream)->next(kPatience));
  ASSERT_TRUE(second && *second);
  EXPECT_EQ(**second, "data: two\n\n");
}

TEST_F(HostProxyTest, has_room_for_so_many_connections) {
  ProxyOptions small;
  small.connections_max = 1;
  other = make_proxy(small);
  const auto socket = run(client->open_web_socket(request("GET", "app.localhost", "/ws"), {}));
  ASSERT_TRUE(socket) << socket.error().message();
  const auto refused = ask(request("GET", "app.localhost", "/"));
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.headers.count("Retry-After"), 1U);
  run((*socket)->close(http::kCloseNormal, {}));
  int status = 503;
  for (int tries = 0; tries < 1000 && status == 503; ++tries) status = ask(request("GET", "app.localhost", "/")).status;
  EXPECT_EQ(status, 200) << "the place is free again";
}

TEST_F(HostProxyTest, a_listener_that_cannot_be_had_is_an_error_unless_nobody_asked_for_it) {
  const auto executor = runtime.context().get_executor();
  const int taken = proxy->ports().at(0);
  const auto never = [this](std::string label) { return find(&targets, std::move(label)); };
  Listeners asked(executor, never, {});
  EXPECT_FALSE(asked.start({{"127.0.0.1", taken}}, false));
  Listeners unasked(executor, never, {});
  EXPECT_TRUE(unasked.start({{"127.0.0.1", taken}}, true));
  EXPECT_TRUE(unasked.ports().empty());
}

}  // namespace
}  // namespace sandboxd::orch::proxy
