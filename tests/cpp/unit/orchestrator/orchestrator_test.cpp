// The whole control plane with its real threads (core, SQLite, callers), no node: what TSan sees here is what users
// run.
#include "orch/orchestrator.hpp"

#include "support/temp_dir.hpp"
#include "unit/http/fixture.hpp"

#include <gtest/gtest.h>

#include <future>
#include <string>
#include <thread>
#include <vector>

namespace sandboxd::orch {
namespace {

using http::test::RawClient;

class OrchestratorTest : public testing::Test {
 protected:
  [[nodiscard]] std::unique_ptr<Orchestrator> started(OrchConfig config = {}) const {
    config.listen = "127.0.0.1:0";
    config.data_dir = directory_.path();
    config.run_dir = directory_.path();
    auto made = Orchestrator::make(config);
    EXPECT_TRUE(made) << (made ? "" : made.error().message());
    const auto start = (*made)->start();
    EXPECT_TRUE(start) << (start ? "" : start.error().message());
    return *std::move(made);
  }

  test::TempDir directory_;
};

std::string request(const std::string& method, const std::string& target, const std::string& body = {}) {
  return method + " " + target + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

std::string create(const std::string& id) {
  return request("POST", "/api/v1/sandboxes",
                 R"({"id":")" + id + R"(","spec":{"containers":[{"name":"c","image":"i","resource":)" +
                     R"({"cpu":"100m","memory":"64Mi"}}]}})");
}

bool accepted(const std::string& answer) { return answer.starts_with("HTTP/1.1 20"); }

TEST_F(OrchestratorTest, many_clients_at_once_and_everything_is_there_after_a_restart) {
  constexpr int kClients = 4;
  constexpr int kEach = 10;
  auto first = started();
  std::vector<std::thread> clients;
  for (int client = 0; client < kClients; ++client) {
    clients.emplace_back([client, port = first->port()] {
      RawClient socket(port);
      for (int i = 0; i < kEach; ++i) {
        const std::string id = "s-" + std::to_string(client) + "-" + std::to_string(i);
        const std::string answer = socket.ask(create(id));
        EXPECT_TRUE(accepted(answer)) << answer;
        EXPECT_TRUE(accepted(socket.ask(request("GET", "/api/v1/sandboxes/" + id))));
        EXPECT_TRUE(accepted(socket.ask(request("GET", "/api/v1/sandboxes"))));
      }
    });
  }
  for (std::thread& client : clients) client.join();
  first->stop();
  const auto second = started();
  RawClient socket(second->port());
  for (int client = 0; client < kClients; ++client) {
    const std::string id = "s-" + std::to_string(client) + "-" + std::to_string(kEach - 1);
    EXPECT_TRUE(accepted(socket.ask(request("GET", "/api/v1/sandboxes/" + id)))) << id;
  }
}

TEST_F(OrchestratorTest, stops_from_two_threads_while_clients_write_and_watch) {
  auto orchestrator = started();
  RawClient watcher(orchestrator->port());
  watcher.send(request("GET", "/api/v1/watch"));
  EXPECT_NE(watcher.read_until("\r\n\r\n").find("200"), std::string::npos);
  std::promise<void> busy;
  std::thread writer([&busy, port = orchestrator->port()] {
    RawClient socket(port);
    EXPECT_TRUE(accepted(socket.ask(create("first"))));
    busy.set_value();
    for (int i = 0; i < 200 && socket.try_send(create("s-" + std::to_string(i))); ++i) {
    }
    socket.read_to_end();
  });
  std::thread waiter([&] { EXPECT_TRUE(orchestrator->wait(http::test::kPatience)); });
  ASSERT_TRUE(http::test::arrives(busy.get_future()));
  std::thread stopper([&] { orchestrator->stop(); });
  orchestrator->stop();
  stopper.join();
  waiter.join();
  writer.join();
  watcher.read_to_end();
}

TEST_F(OrchestratorTest, with_a_token_it_answers_to_any_host_name_and_without_one_to_its_own) {
  const std::string list = "GET /api/v1/sandboxes HTTP/1.1\r\nHost: sandboxd.example\r\n";
  {
    OrchConfig config;
    config.token = "s3cret";
    const auto orchestrator = started(config);
    RawClient socket(orchestrator->port());
    EXPECT_TRUE(accepted(socket.ask(list + "Authorization: Bearer s3cret\r\n\r\n")));
    EXPECT_TRUE(socket.ask(list + "\r\n").starts_with("HTTP/1.1 401"));
  }
  const auto open = started();
  const std::string refused = RawClient(open->port()).ask(list + "\r\n");
  EXPECT_TRUE(refused.starts_with("HTTP/1.1 403")) << refused;
  EXPECT_NE(refused.find("X-Sandboxd-Error: permission_denied\r\n"), std::string::npos) << refused;
  EXPECT_NE(refused.find("or set a token"), std::string::npos) << refused;
}

TEST_F(OrchestratorTest, a_create_over_the_limit_is_told_when_there_is_room_again) {
  OrchConfig config;
  config.create_rps = 0.001;
  config.create_burst = 1;
  const auto orchestrator = started(config);
  RawClient socket(orchestrator->port());
  EXPECT_TRUE(accepted(socket.ask(create("first"))));
  const std::string refused = socket.ask(create("second"));
  EXPECT_TRUE(refused.starts_with("HTTP/1.1 429")) << refused;
  EXPECT_NE(refused.find("X-Sandboxd-Error: resource_exhausted\r\n"), std::string::npos) << refused;
  const auto at = refused.find("Retry-After: ");
  ASSERT_NE(at, std::string::npos) << refused;
  const int seconds = std::stoi(refused.substr(at + std::string("Retry-After: ").size()));
  EXPECT_GT(seconds, 900);
  EXPECT_LE(seconds, 1000);
}

}  // namespace
}  // namespace sandboxd::orch
