// Calls that are passed through, over real sockets to a real server of this process.
#include "orch/http_node_transport.hpp"

#include "http/server.hpp"
#include "support/run_task.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sandboxd::orch {
namespace {

using testing::HasSubstr;

// Says what it got; `status`, `code` and `bytes` of the query decide how it answers.
Task<http::Response> tell(http::Request request) {
  http::Response response;
  response.status = std::stoi(request.query_value("status").value_or("200"));
  if (const auto code = request.query_value("code")) response.headers.emplace_back("X-Sandboxd-Error", *code);
  response.body = request.method + " " + request.target + " " + std::string(request.header("Authorization")) + " " +
                  std::string(request.header("Content-Type")) + " " + request.body;
  if (const auto bytes = request.query_value("bytes")) response.body = std::string(std::stoul(*bytes), 'x');
  co_return response;
}

class TransportTest : public testing::Test {
 protected:
  TransportTest() {
    http::Router router;
    for (const char* method : {"GET", "POST", "DELETE"}) {
      http::Route route;
      route.method = method;
      route.pattern = "/{rest...}";
      route.handler = tell;
      EXPECT_TRUE(router.add(std::move(route)));
    }
    server_ = std::make_unique<http::Server>(context_.get_executor(), std::move(router), http::ServerOptions{});
    EXPECT_TRUE(server_->start());
  }
  ~TransportTest() override { test::run_task(context_, server_->stop(Duration::zero())); }

  Result<ports::NodeAnswer> call(const std::string& method, const std::string& path, const std::string& body = {}) {
    ports::NodeCall out;
    out.method = method;
    out.path = path;
    out.body = body;
    out.answer_bytes_max = 1000;
    return test::run_task(context_, transport_.call({"127.0.0.1", server_->port()}, std::move(out)));
  }

  boost::asio::io_context context_;
  std::unique_ptr<http::Server> server_;
  http::Client client_{context_.get_executor()};
  HttpNodeTransport transport_{client_, "secret", NodeCallLimits{}};
};

TEST_F(TransportTest, a_call_reaches_the_node_as_it_is_with_our_token) {
  const auto get = call("GET", "/v1/sandboxes?limit=1&cursor=a%2Fb");
  ASSERT_TRUE(get) << get.error().message();
  EXPECT_EQ(get->status, 200);
  EXPECT_EQ(get->body, "GET /v1/sandboxes?limit=1&cursor=a%2Fb Bearer secret  ");
  EXPECT_EQ(call("POST", "/v1/sandboxes", "{}")->body, "POST /v1/sandboxes Bearer secret application/json {}");
  EXPECT_EQ(call("POST", "/v1/reconcile")->body, "POST /v1/reconcile Bearer secret  ");
  EXPECT_EQ(call("DELETE", "/v1/sandboxes/a")->body, "DELETE /v1/sandboxes/a Bearer secret  ");
}

TEST_F(TransportTest, refusals_are_answers_with_a_code) {
  const auto missing = call("GET", "/x?status=404");
  ASSERT_TRUE(missing);
  EXPECT_EQ(missing->status, 404);
  EXPECT_EQ(missing->status_text, "404 Not Found");
  EXPECT_EQ(missing->code, ErrorCode::not_found);
  EXPECT_EQ(call("GET", "/x?status=413")->code, ErrorCode::too_large);
  EXPECT_EQ(call("GET", "/x?status=400&code=already_exists")->code, ErrorCode::already_exists) << "the node's own word";
  EXPECT_EQ(call("GET", "/x?status=500&code=nonsense")->code, ErrorCode::internal);
}

TEST_F(TransportTest, answers_are_bounded_and_a_missing_node_is_an_error) {
  EXPECT_EQ(call("GET", "/x?bytes=1000")->body.size(), 1000U);
  const auto large = call("GET", "/x?bytes=1001");
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code(), ErrorCode::too_large);
  ports::NodeCall nowhere;
  nowhere.path = "/healthz";
  const int free_port = server_->port();
  test::run_task(context_, server_->stop(Duration::zero()));
  const auto refused = test::run_task(context_, transport_.call({"127.0.0.1", free_port}, std::move(nowhere)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::unavailable);
  EXPECT_THAT(refused.error().message(), HasSubstr("GET /healthz"));
}

}  // namespace
}  // namespace sandboxd::orch
