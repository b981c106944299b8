// The whole node agent on real parts: containerd, runc and runsc, CNI, nftables, the log holder, SQLite, HTTP.
#include "node/node_daemon.hpp"

#include "http/client.hpp"
#include "support/private_containerd.hpp"
#include "support/run_task.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <unistd.h>

namespace sandboxd::node {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using testing::HasSubstr;

class NodeDaemonTest : public testing::TestWithParam<const char*> {
 protected:
  NodeDaemonTest() {
    image_ = containerd_.import_busybox();
    config_.instance = "t" + std::to_string(::getpid() % 100000);
    config_.data_dir = containerd_.directory() + "/nd";
    config_.run_dir = containerd_.directory() + "/nr";
    config_.containerd_address = containerd_.socket();
    config_.snapshotter = containerd_.options("x").snapshotter;
    config_.listen = "127.0.0.1:0";
    config_.subnet_cidr = "10.213.77.0/24";
    config_.helper_dir = HELPER_DIR;
    config_.slot_pool_size = 1;
    start();
  }
  ~NodeDaemonTest() override {
    for (const char* id : {"a", "b"}) (void)call("DELETE", "/v1/sandboxes/" + std::string(id));
    daemon_->stop();
    const auto removed = daemon_->teardown();
    EXPECT_TRUE(removed) << removed.error().message();
  }

  void start() {
    daemon_ = *NodeDaemon::make(config_);
    const auto started = daemon_->start();
    ASSERT_TRUE(started) << started.error().message();
  }
  http::ClientResponse call(std::string method, std::string target, std::string body = {}) {
    boost::asio::io_context context;
    http::Client client(context.get_executor());
    http::ClientRequest request;
    request.host = "127.0.0.1";
    request.port = daemon_->port();
    request.method = std::move(method);
    request.target = std::move(target);
    request.body = std::move(body);
    request.timeout = std::chrono::seconds(60);
    auto response = test::run_task(context, client.send(std::move(request)));
    EXPECT_TRUE(response) << response.error().message();
    return response ? *response : http::ClientResponse{};
  }
  json::object sandbox(const std::string& id) {
    const auto response = call("GET", "/v1/sandboxes/" + id);
    return response.status == 200 ? json::parse(response.body).at("sandbox").as_object() : json::object();
  }
  // The phase once it is none of creating; the last seen one when that takes more than a minute.
  std::string settled(const std::string& id) {
    std::string phase;
    for (int i = 0; i < 600; ++i) {
      phase = sandbox(id).at("phase").as_string();
      if (phase != "creating") break;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return phase;
  }
  std::string container(const std::string& name, const std::string& script) const {
    return R"({"name":")" + name + R"(","image":")" + image_ + R"(","args":["sh","-c",")" + script +
           R"("],"resource":{"cpu":"200m","memory":"128Mi"}})";
  }
  http::ClientResponse create(const std::string& id, const std::string& containers, const std::string& more = {}) {
    return call(
        "POST", "/v1/sandboxes",
        R"({"id":")" + id + R"(","runtime":")" + GetParam() + R"(","containers":[)" + containers + "]" + more + "}");
  }

  test::PrivateContainerd containerd_;
  std::string image_;
  NodeConfig config_;
  std::unique_ptr<NodeDaemon> daemon_;
};

TEST_P(NodeDaemonTest, a_sandbox_serves_its_port_logs_and_outlives_its_agent) {
  const auto accepted = create("a", container("web", "echo started; while true; do nc -l -p 80 -e echo hello; done"),
                               R"(,"ports":[{"hostPort":24680,"containerPort":80,"protocol":"tcp"}])");
  ASSERT_EQ(accepted.status, 202) << accepted.body;
  ASSERT_EQ(settled("a"), "running") << json::serialize(sandbox("a"));
  EXPECT_THAT(test::run_shell("sleep 1 | busybox nc 127.0.0.1 24680"), HasSubstr("hello"));
  EXPECT_THAT(call("GET", "/v1/sandboxes/a/logs").body, HasSubstr("[web] "));
  const json::object before = sandbox("a");
  daemon_->stop();
  start();
  const json::object after = sandbox("a");
  EXPECT_EQ(after.at("phase"), "running");
  EXPECT_EQ(after.at("ip"), before.at("ip"));
  EXPECT_EQ(after.at("containers").at("web").at("taskPID"), before.at("containers").at("web").at("taskPID"));
  EXPECT_THAT(test::run_shell("sleep 1 | busybox nc 127.0.0.1 24680"), HasSubstr("hello"));
  EXPECT_EQ(call("DELETE", "/v1/sandboxes/a").status, 200);
  EXPECT_EQ(call("GET", "/v1/sandboxes/a").status, 404);
}

TEST_P(NodeDaemonTest, containers_of_one_sandbox_share_localhost_and_volumes) {
  const std::string mount = R"(,"volumeMounts":[{"name":"v","mountPath":"/v"}]})";
  const auto with_mount = [&](std::string text) { return text.substr(0, text.size() - 1) + mount; };
  const auto accepted =
      create("b",
             with_mount(container("one", "echo shared > /v/file; while true; do nc -l -p 90 -e echo local; done")) +
                 "," + with_mount(container("two", "sleep 2; cat /v/file; nc 127.0.0.1 90 < /dev/null; sleep 1000")),
             R"(,"volumes":[{"name":"v","ephemeralStorage":"1Mi"}])");
  ASSERT_EQ(accepted.status, 202) << accepted.body;
  ASSERT_EQ(settled("b"), "running") << json::serialize(sandbox("b"));
  std::string logs;
  for (int i = 0; i < 100 && logs.find("local") == std::string::npos; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    logs = call("GET", "/v1/sandboxes/b/containers/two/logs").body;
  }
  EXPECT_THAT(logs, HasSubstr("shared"));
  EXPECT_THAT(logs, HasSubstr("local"));
  EXPECT_EQ(call("DELETE", "/v1/sandboxes/b").status, 200);
}

TEST_P(NodeDaemonTest, an_exit_is_reported_with_its_code_and_the_log_is_kept) {
  ASSERT_EQ(create("a", container("job", "echo last words; sleep 1; exit 3")).status, 202);
  std::string phase;
  for (int i = 0; i < 600 && phase != "error"; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    phase = sandbox("a").at("phase").as_string();
  }
  EXPECT_EQ(sandbox("a").at("error"), "container job exited with code 3");
  EXPECT_THAT(call("GET", "/v1/sandboxes/a/logs").body, HasSubstr("last words"));
}

TEST_P(NodeDaemonTest, a_command_that_does_not_exist_fails_with_the_reason) {
  const std::string missing =
      R"({"name":"c","image":")" + image_ + R"(","args":["/no/such"],"resource":{"cpu":"200m","memory":"128Mi"}})";
  ASSERT_EQ(create("a", missing).status, 202);
  EXPECT_EQ(settled("a"), "error");
  EXPECT_THAT(std::string(sandbox("a").at("error").as_string()), HasSubstr("/no/such"));
}

INSTANTIATE_TEST_SUITE_P(Handlers, NodeDaemonTest, testing::Values("runc", "runsc"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace sandboxd::node
