// The node's real routes and agent on the simulated machine, called without a network.
#pragma once

#include "http/router.hpp"
#include "http/target.hpp"
#include "node/api/sbxlet_routes.hpp"
#include "unit/node/node_fixture.hpp"

#include <ostream>
#include <string>
#include <variant>

namespace sandboxd::node {

// What a client sees of an answer.
struct Answer {
  int status = 0;
  std::string body;
  std::string code;  // X-Sandboxd-Error

  friend bool operator==(const Answer&, const Answer&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Answer& answer) {
    return out << answer.status << " " << answer.body << " [" << answer.code << "]";
  }
};

inline Answer error_answer(int status, const std::string& text, const std::string& code) {
  return {status, R"({"error":")" + text + R"("})", code};
}

// A body as a server gives it to a route that streams it.
class WholeBody final : public http::BodyReader {
 public:
  explicit WholeBody(std::string body) : body_(std::move(body)) {}
  Task<Result<std::optional<std::string>>> next() override {
    if (body_.empty()) co_return std::optional<std::string>();
    co_return std::optional(std::exchange(body_, std::string()));
  }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return body_.size(); }

 private:
  std::string body_;
};

class RoutesFixture : public NodeFixture {
 protected:
  RoutesFixture() { start_agent(); }

  void start_agent() {
    NodeFixture::start_agent();
    serve();
  }
  void serve() {
    router_ = http::Router();
    codec::sbxlet::NodeFacts facts;
    facts.subnet_cidr = "10.89.0.0/16";
    facts.bridge_name = "sbx-br0";
    facts.cni_conf_path = "/etc/cni/x.conflist";
    facts.runtime = "runsc";
    const auto added = add_sbxlet_routes(router_, *agent_, facts);
    ASSERT_TRUE(added) << added.error().message();
  }

  http::Response respond(const std::string& method, const std::string& target, std::string body = "") {
    http::Request request;
    request.method = method;
    request.body = std::move(body);
    EXPECT_TRUE(http::set_target(request, target)) << target;
    auto found = router_.find(method, request.path);
    auto* matched = std::get_if<http::Matched>(&found);
    if (matched == nullptr) throw std::runtime_error("no route: " + method + " " + target);
    request.parameters = std::move(matched->parameters);
    if (matched->route->streams_body) request.body_reader = std::make_shared<WholeBody>(std::move(request.body));
    return run(matched->route->handler(std::move(request)));
  }
  Answer ask(const std::string& method, const std::string& target, std::string body = "") {
    const http::Response response = respond(method, target, std::move(body));
    Answer answer{response.status, response.body, ""};
    for (const auto& [name, value] : response.headers) {
      if (name == "X-Sandboxd-Error") answer.code = value;
    }
    return answer;
  }
  Answer get(const std::string& target) { return ask("GET", target); }
  Answer post(const std::string& target, std::string body) { return ask("POST", target, std::move(body)); }

  // A good create request; `rest` has further members, each with a comma in front.
  static std::string create_body(const std::string& id, const std::string& rest = "") {
    return R"({"id":")" + id + R"(","containers":[{"name":"main","image":"busybox",)" +
           R"("resource":{"cpu":"100m","memory":"64Mi"}}])" + rest + "}";
  }
  void create_running(const std::string& id, const std::string& rest = "") {
    const Answer answer = post("/v1/sandboxes", create_body(id, rest));
    ASSERT_EQ(answer.status, 202) << answer;
    ASSERT_TRUE(settle(id));
    ASSERT_EQ(phase(id), model::Phase::running);
  }

  http::Router router_;
};

}  // namespace sandboxd::node
