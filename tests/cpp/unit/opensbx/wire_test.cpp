// This dialect's JSON: compact, in the original's order, with its omissions.
#include "orch/api/opensbx/wire.hpp"

#include <gtest/gtest.h>

namespace sandboxd::orch::opensbx {
namespace {

constexpr WallTime kAt{1'767'323'045'000'000'000};  // 2026-01-02T03:04:05Z
const UrlParts kUrls{"localhost", ":3000"};

model::Sandbox running() {
  model::Sandbox sandbox;
  sandbox.id = SandboxId("abc");
  sandbox.name = "eager-turing";
  model::Container& main = sandbox.spec.containers.emplace_back();
  main.image = "node:22";
  main.resources.limit_memory_bytes.value = std::int64_t{1024} << 20;
  main.resources.limit_cpu_milli.value = 1000;
  sandbox.spec.annotations[kMainPort] = "3000/tcp";
  for (const int port : {8080, 3000}) {
    sandbox.spec.ports.emplace_back().container_port = port;
    sandbox.ports.push_back({port + 20000, port, model::Protocol::tcp});
  }
  sandbox.phase = model::Phase::running;
  sandbox.running_since = kAt;
  return sandbox;
}

model::Sandbox stopped(int code) {
  model::Sandbox sandbox = running();
  sandbox.phase = model::Phase::stopped;
  sandbox.ended_at = kAt + std::chrono::seconds(5);
  sandbox.containers.emplace_back().exit_code = code;
  return sandbox;
}

TEST(OpensbxWire, a_created_one) {
  EXPECT_EQ(codec::write_json(created_object(running(), kUrls)),
            R"({"id":"abc","name":"eager-turing","ports":["3000/tcp","8080/tcp"],)"
            R"("url":"http://eager-turing.localhost:3000"})");
}

TEST(OpensbxWire, a_summary_of_a_running_one) {
  EXPECT_EQ(codec::write_json(summary_object(running(), kUrls, kAt + std::chrono::minutes(3))),
            R"({"id":"abc","name":"eager-turing","image":"node:22","status":"Up 3 minutes","state":"running",)"
            R"("ports":["3000/tcp","8080/tcp"],"url":"http://eager-turing.localhost:3000"})");
}

TEST(OpensbxWire, a_stopped_one_keeps_its_ports_in_lists_alone) {
  const model::Sandbox sandbox = stopped(137);
  EXPECT_EQ(codec::write_json(summary_object(sandbox, kUrls, kAt + std::chrono::seconds(125))),
            R"({"id":"abc","name":"eager-turing","image":"node:22","status":"Exited (137) 2 minutes ago",)"
            R"("state":"exited","ports":["3000/tcp","8080/tcp"],"url":"http://eager-turing.localhost:3000"})");
  EXPECT_EQ(codec::write_json(detail_object(sandbox, kUrls)),
            R"({"id":"abc","name":"eager-turing","image":"node:22","status":"exited","running":false,"ports":[],)"
            R"("resources":{"memory":1024,"cpus":1},"started_at":"2026-01-02T03:04:05Z",)"
            R"("finished_at":"2026-01-02T03:04:10Z","url":"http://eager-turing.localhost:3000"})");
  EXPECT_EQ(codec::write_json(network_object(sandbox)), R"({"main_port":"3000/tcp","ports_map":{}})");
}

TEST(OpensbxWire, the_network_names_host_ports) {
  EXPECT_EQ(codec::write_json(network_object(running())),
            R"({"main_port":"3000/tcp","ports_map":{"3000/tcp":"23000","8080/tcp":"28080"}})");
  model::Sandbox other = running();
  other.spec.annotations.clear();
  EXPECT_EQ(network_object(other).at("main_port"), "") << "of several none is the main one";
  other.ports.pop_back();
  EXPECT_EQ(network_object(other).at("main_port"), "8080/tcp");
}

TEST(OpensbxWire, states_and_their_texts) {
  model::Sandbox sandbox = running();
  const WallTime now = kAt + std::chrono::minutes(5);
  sandbox.phase = model::Phase::paused;
  EXPECT_EQ(state_word(sandbox), "paused");
  EXPECT_EQ(status_text(sandbox, now), "Up 5 minutes (Paused)");
  EXPECT_TRUE(detail_object(sandbox, kUrls).at("running").as_bool());
  sandbox.phase = model::Phase::creating;
  EXPECT_EQ(state_word(sandbox), "created");
  EXPECT_EQ(status_text(sandbox, now), "Created");
  sandbox.phase = model::Phase::deleting;
  EXPECT_EQ(state_word(sandbox), "removing");
  EXPECT_EQ(status_text(sandbox, now), "Removal In Progress");
  sandbox.phase = model::Phase::failed;
  EXPECT_EQ(state_word(sandbox), "exited");
  sandbox.running_since.reset();
  EXPECT_EQ(state_word(sandbox), "dead");
  EXPECT_EQ(detail_object(sandbox, kUrls).at("started_at"), "0001-01-01T00:00:00Z");
}

TEST(OpensbxWire, an_expiry_is_told_where_there_is_one) {
  model::Sandbox sandbox = running();
  EXPECT_FALSE(detail_object(sandbox, kUrls).contains("expires_at"));
  EXPECT_FALSE(started_object(sandbox, "started").contains("expires_at"));
  sandbox.expires_at = kAt;
  EXPECT_TRUE(detail_object(sandbox, kUrls).contains("expires_at"));
  EXPECT_TRUE(started_object(sandbox, "started").contains("expires_at"));
}

model::Command command() {
  model::Command out;
  out.id = "cmd_1";
  out.argv = {"pwd"};
  out.sandbox = SandboxId("abc");
  out.started_at = kAt;
  return out;
}

TEST(OpensbxWire, a_command_shows_what_it_has) {
  model::Command running = command();
  running.labels[kNullArgs] = "null";
  EXPECT_EQ(command_body(running), R"({"command":{"id":"cmd_1","name":"pwd","args":null,"cwd":"","sandbox_id":"abc",)"
                                   R"("started_at":1767323045000}})");
  model::Command done = command();
  done.exit_code = 0;
  done.finished_at = kAt + std::chrono::milliseconds(42);
  EXPECT_EQ(command_body(done), R"({"command":{"id":"cmd_1","name":"pwd","args":[],"cwd":"","sandbox_id":"abc",)"
                                R"("exit_code":0,"started_at":1767323045000,"finished_at":1767323045042}})");
}

TEST(OpensbxWire, no_arguments_and_an_empty_list_of_them_differ) {
  EXPECT_FALSE(decode_exec(R"({"command":"pwd"})")->args.has_value());
  EXPECT_FALSE(decode_exec(R"({"command":"pwd","args":null})")->args.has_value());
  EXPECT_EQ(decode_exec(R"({"command":"pwd","args":[]})")->args, std::vector<std::string>());
}

}  // namespace
}  // namespace sandboxd::orch::opensbx
