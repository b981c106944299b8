// The dialect's real routes over the real engine and service, with a simulated store, network, clock and node.
//
// Requests go the way that the server sends them: target, router, handler. The server's own part (sockets, 404, slash,
// 401) is tested in tests/cpp/unit/http.
#pragma once

#include "codec/json.hpp"
#include "http/target.hpp"
#include "orch/api/sandboxd_o/routes.hpp"
#include "orch/engine.hpp"
#include "orch/service.hpp"
#include "sim/sim_clock.hpp"
#include "sim/sim_store.hpp"
#include "sim/sim_transport.hpp"
#include "world/model_node.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace sandboxd::orch::sandboxd_o {

struct Answer {
  int status = 0;
  std::string body;
  std::string content_type;
  std::map<std::string, std::string> headers;

  // The member behind these names, such as json("sandbox", "status", "phase"); null when one is absent.
  template <class... Names>
  [[nodiscard]] codec::json::value json(Names... names) const {
    codec::json::value at = codec::json::parse(body);
    for (const std::string_view name : {std::string_view(names)...}) {
      const auto* object = at.if_object();
      const auto* found = object == nullptr ? nullptr : object->if_contains(name);
      if (found == nullptr) return nullptr;
      at = codec::json::value(*found);
    }
    return at;
  }
  template <class... Names>
  [[nodiscard]] std::string text(Names... names) const {
    const auto value = json(names...);
    return value.is_string() ? std::string(value.get_string()) : codec::write_json(value);
  }
  // The text of a body that is exactly {"error": text}.
  [[nodiscard]] std::string error() const {
    const auto value = codec::json::parse(body);
    if (!value.is_object() || value.get_object().size() != 1) return "no error body: " + body;
    return text("error");
  }
  // The ids of "items", separated by blanks.
  [[nodiscard]] std::string ids() const {
    std::string out;
    const auto items = json("items");
    for (const auto& item : items.as_array()) {
      out += (out.empty() ? "" : " ") + std::string(item.at("id").as_string());
    }
    return out;
  }
};

// A model node whose HTTP API a test may script.
class ScriptedNode final : public sim::SimNodeServer {
 public:
  explicit ScriptedNode(std::shared_ptr<world::ModelNode> model) : model_(std::move(model)) {}

  std::function<Result<ports::NodeAnswer>(const ports::NodeCall&)> script;  // empty: the model's own answers
  std::vector<ports::NodeCall> calls;

  void answer(int status, std::string status_text, std::string body) {
    script = [=](const ports::NodeCall&) {
      ports::NodeAnswer out;
      out.status = status;
      out.status_text = status_text;
      out.body = body;
      return Result<ports::NodeAnswer>(out);
    };
  }

  Task<Result<void>> create(model::NodeCreateRequest request) override { return model_->create(std::move(request)); }
  Task<Result<void>> remove(SandboxId id, std::string uid) override {
    return model_->remove(std::move(id), std::move(uid));
  }
  Task<Result<void>> change_life(SandboxId id, std::string uid, ports::LifeVerb verb, std::int64_t order) override {
    return model_->change_life(std::move(id), std::move(uid), verb, order);
  }
  Result<std::unique_ptr<ports::NodeWatch>> subscribe() override { return model_->subscribe(); }
  Task<Result<ports::NodeAnswer>> call(ports::NodeCall call) override {
    calls.push_back(call);
    if (script) co_return script(call);
    auto answer = co_await model_->call(std::move(call));
    co_return answer;
  }

 private:
  std::shared_ptr<world::ModelNode> model_;
};

class ApiTest : public testing::Test {
 protected:
  ApiTest() { start(); }
  ~ApiTest() override {
    stop();
    model_->cancel();
    transport_.cancel();
    run(model_->join());
    run(transport_.join());
  }

  void start() {
    store_ = *sim::SimStore::open(disk_, clock_);
    engine_ = std::make_unique<Engine>(context_.get_executor(), *store_, transport_, clock_, config_, ++lives_);
    service_ = std::make_unique<SandboxService>(*engine_, transport_, clock_);
    EXPECT_TRUE(run(engine_->start()));
    router_ = std::make_unique<http::Router>();
    EXPECT_TRUE(add_routes(*router_, *service_, clock_));
  }
  void stop() {
    if (engine_) run(engine_->stop());
    router_.reset();
    service_.reset();
    engine_.reset();
    store_.reset();
  }
  // Acknowledged writes only survive this.
  void restart_after_power_loss() {
    stop();
    disk_->crash();
    start();
  }

  // Registers node "n" at port 7 of the simulated network and waits until it is Ready.
  void add_node() {
    model_->start();
    transport_.attach(7, node_);
    const Answer made = ask("POST", "/api/v1/nodes", R"({"id":"n","spec":{"ip":"10.0.0.1","port":7}})");
    ASSERT_EQ(made.status, 200) << made.body;
    ASSERT_EQ(made.text("node", "state"), "Ready");
  }

  using Headers = std::vector<std::pair<std::string, std::string>>;
  Answer ask(const std::string& method, const std::string& target, std::string body = {}, const Headers& headers = {}) {
    http::Request request;
    request.method = method;
    EXPECT_TRUE(http::set_target(request, target)) << target;
    for (const auto& [name, value] : headers) request.headers.emplace(name, value);
    request.body = std::move(body);
    auto found = router_->find(method, request.path);
    auto* matched = std::get_if<http::Matched>(&found);
    if (matched == nullptr) {
      ADD_FAILURE() << "no route " << method << " " << target;
      return {};
    }
    request.parameters = matched->parameters;
    http::Response response = run(matched->route->handler(std::move(request)));
    Answer out{response.status, response.body, response.content_type, {}};
    for (const auto& [name, value] : response.headers) out.headers[name] = value;
    EXPECT_EQ(out.content_type, "application/json; charset=utf-8") << target;
    return out;
  }
  Answer get(const std::string& target) { return ask("GET", target); }

  // A good create body.
  static std::string sandbox(const std::string& id, const std::string& more_spec = {},
                             const std::string& cpu = "100m") {
    return R"({"id":")" + id + R"(","spec":{"containers":[{"name":"app","image":"local/app:1","resource":{"cpu":")" +
           cpu + R"(","memory":"1Mi"}}])" + more_spec + "}}";
  }
  Answer create(const std::string& id, const std::string& more_spec = {}, const std::string& cpu = "100m") {
    return ask("POST", "/api/v1/sandboxes", sandbox(id, more_spec, cpu));
  }

  template <class T>
  T run(Task<T> task) {
    std::optional<T> out;
    boost::asio::co_spawn(context_, std::move(task), [&](std::exception_ptr, T value) { out = std::move(value); });
    for (int n = 0; n < 100000 && !out; ++n) step();
    return std::move(out).value();
  }
  void run(Task<void> task) {
    bool done = false;
    boost::asio::co_spawn(context_, std::move(task), [&](std::exception_ptr) { done = true; });
    for (int n = 0; n < 100000 && !done; ++n) step();
    EXPECT_TRUE(done);
  }
  void step() {
    context_.restart();
    if (context_.poll() == 0) clock_.fire_next();
  }
  void run_for(Duration duration) { run(clock_.sleep_for(duration)); }

  boost::asio::io_context context_;
  sim::SimClock clock_{context_.get_executor()};
  sim::SimTransport transport_{context_.get_executor(), clock_, 1};
  std::shared_ptr<sim::StoreDisk> disk_ = std::make_shared<sim::StoreDisk>();
  std::shared_ptr<world::ModelNode> model_ = std::make_shared<world::ModelNode>(
      context_.get_executor(), clock_, 2, world::ModelNodeOptions{4000, 1 << 30, 0, std::chrono::seconds(5)});
  std::shared_ptr<ScriptedNode> node_ = std::make_shared<ScriptedNode>(model_);
  OrchConfig config_;
  std::uint64_t lives_ = 0;
  std::unique_ptr<sim::SimStore> store_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<SandboxService> service_;
  std::unique_ptr<http::Router> router_;
};

}  // namespace sandboxd::orch::sandboxd_o
