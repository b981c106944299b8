// The orchestrator's create checks: every documented message, and which of two problems is named first.
#include "orch/api/sandboxd_o/validate.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace sandboxd::orch::sandboxd_o {
namespace {

CreateBody good() {
  CreateBody body;
  body.id = "sbx-1";
  model::Container container;
  container.name = "web";
  container.image = "nginx:latest";
  container.resources.limit_cpu_milli.text = "200m";
  container.resources.limit_memory_bytes.text = "256Mi";
  body.spec.containers.push_back(container);
  return body;
}

model::ReadinessProbe probe() {
  model::ReadinessProbe p;
  p.port = 80;
  p.path = "/";
  p.initial_delay_seconds = p.period_seconds = p.timeout_seconds = p.success_threshold = p.failure_threshold = 1;
  return p;
}

model::Volume volume(std::string name, std::string size) { return {std::move(name), {0, std::move(size)}}; }

struct Case {
  const char* message;
  std::function<void(CreateBody&)> spoil;
};

void expect_message(const Case& c) {
  CreateBody body = good();
  c.spoil(body);
  const auto result = validate_create(body);
  ASSERT_FALSE(result) << c.message;
  EXPECT_EQ(result.error().message(), c.message);
  EXPECT_EQ(result.error().code(), ErrorCode::invalid_argument);
}

TEST(ValidateCreate, a_complete_body_passes) {
  CreateBody body = good();
  body.spec.volumes = {volume("data", "64Mi")};
  body.spec.containers[0].volume_mounts = {{"data", "/var/data", true}};
  body.spec.containers[0].tmpfs = {{"/tmp", "size=64m"}};
  body.spec.containers[0].resources.ephemeral_storage_bytes.text = "96Mi";
  body.spec.ports = {{0, 80, "TCP"}, {99999, 53, "udp"}, {0, 443, ""}};
  body.spec.readiness_probe = probe();
  body.spec.readiness_probe->protocol_text = " HTTP ";
  const auto result = validate_create(body);
  EXPECT_TRUE(result) << result.error().message();
}

TEST(ValidateCreate, ids) {
  for (const Case& c : std::vector<Case>{
           {"id is required", [](CreateBody& b) { b.id = "  "; }},
           {"id must not contain leading or trailing whitespace", [](CreateBody& b) { b.id = " a"; }},
           {"id contains invalid path characters", [](CreateBody& b) { b.id = "../../tmp/hello"; }},
           {"id contains invalid path characters", [](CreateBody& b) { b.id = "a..b"; }},
           {"id contains invalid path characters", [](CreateBody& b) { b.id = "a\\b"; }},
           {"id contains unsupported characters", [](CreateBody& b) { b.id = "-a"; }},
           {"id contains unsupported characters", [](CreateBody& b) { b.id = "a b"; }},
           {"id contains unsupported characters", [](CreateBody& b) { b.id = std::string(129, 'a'); }},
       }) {
    expect_message(c);
  }
}

TEST(ValidateCreate, the_read_and_delete_routes_name_the_sandbox_id) {
  EXPECT_EQ(validate_id("", "sandbox id is required").error().message(), "sandbox id is required");
  EXPECT_EQ(validate_id(" x", "sandbox id is required").error().message(),
            "sandbox id must not contain leading or trailing whitespace");
}

TEST(ValidateCreate, spec) {
  for (const Case& c : std::vector<Case>{
           {"node_selector key is required", [](CreateBody& b) { b.spec.node_selector[" "] = "x"; }},
           {"at least one container is required", [](CreateBody& b) { b.spec.containers.clear(); }},
           {"ttl_seconds must be >= 0", [](CreateBody& b) { b.spec.ttl_seconds = -1; }},
           {"volume name is required", [](CreateBody& b) { b.spec.volumes = {volume(" ", "1Mi")}; }},
           {"invalid volume name a/b", [](CreateBody& b) { b.spec.volumes = {volume("a/b", "1Mi")}; }},
           {"volume v ephemeral_storage is required", [](CreateBody& b) { b.spec.volumes = {volume("v", "")}; }},
           {"invalid ephemeral_storage for volume v", [](CreateBody& b) { b.spec.volumes = {volume("v", "0")}; }},
           {"duplicate volume name v",
            [](CreateBody& b) { b.spec.volumes = {volume("v", "1Mi"), volume("v", "1Mi")}; }},
           {"invalid container port", [](CreateBody& b) { b.spec.ports = {{0, 0, "tcp"}}; }},
           {"unsupported protocol", [](CreateBody& b) { b.spec.ports = {{0, 80, "sctp"}}; }},
       }) {
    expect_message(c);
  }
}

TEST(ValidateCreate, containers) {
  const auto container = [](auto change) { return [change](CreateBody& b) { change(b.spec.containers[0]); }; };
  using C = model::Container;
  for (const Case& c : std::vector<Case>{
           {"container name is required", container([](C& x) { x.name = ""; })},
           {"container name must not contain leading or trailing whitespace", container([](C& x) { x.name = "a "; })},
           {"container name contains invalid path characters", container([](C& x) { x.name = "../app"; })},
           {"container name contains unsupported characters", container([](C& x) { x.name = ".a"; })},
           {"container name contains unsupported characters", container([](C& x) { x.name = std::string(65, 'a'); })},
           {"container web image is required", container([](C& x) { x.image = " "; })},
           {"container resource cpu/memory are required",
            container([](C& x) { x.resources.limit_cpu_milli.text = ""; })},
           {"invalid cpu for container web", container([](C& x) { x.resources.limit_cpu_milli.text = "fast"; })},
           {"invalid memory for container web", container([](C& x) { x.resources.limit_memory_bytes.text = "1KiB"; })},
           {"invalid ephemeral_storage for container web",
            container([](C& x) { x.resources.ephemeral_storage_bytes.text = "much"; })},
       }) {
    expect_message(c);
  }
}

TEST(ValidateCreate, mounts) {
  const auto mount = [](std::string name, std::string path) {
    return [name, path](CreateBody& b) {
      b.spec.volumes = {volume("v", "1Mi")};
      b.spec.containers[0].volume_mounts = {{name, path, false}};
    };
  };
  const auto tmpfs = [](std::string path) {
    return [path](CreateBody& b) { b.spec.containers[0].tmpfs = {{path, ""}}; };
  };
  for (const Case& c : std::vector<Case>{
           {"container web volume mount name is required", mount("", "/d")},
           {"container web references unknown volume w", mount("w", "/d")},
           {"container web mount_path is required for volume v", mount("v", "")},
           {"container web mount_path must be absolute for volume v", mount("v", "d")},
           {"container web mount_path must be clean for volume v", mount("v", "/d/")},
           {"container web mount_path must be clean for volume v", mount("v", "//d")},
           {"container web mount_path must be clean for volume v", mount("v", "/d/../e")},
           {"container web mount_path must be clean for volume v", mount("v", "/d/./e")},
           {"container web mount_path '/' is not allowed for volume v", mount("v", "/")},
           {"container web mount_path /tmp is reserved", mount("v", "/tmp")},
           {"container web mount_path /tmp is reserved", mount("v", "/tmp/x")},
           {"container web tmpfs mount_path is required", tmpfs(" ")},
           {"container web tmpfs mount_path must be absolute", tmpfs("x")},
           {"container web tmpfs mount_path must be clean", tmpfs("/x/")},
           {"container web tmpfs mount_path '/' is not allowed", tmpfs("/")},
       }) {
    expect_message(c);
  }
  CreateBody twice = good();
  twice.spec.volumes = {volume("v", "1Mi")};
  twice.spec.containers[0].volume_mounts = {{"v", "/d", false}};
  twice.spec.containers[0].tmpfs = {{"/d", ""}};
  EXPECT_EQ(validate_create(twice).error().message(), "container web duplicate mount_path /d");
}

TEST(ValidateCreate, probes) {
  const auto with = [](std::string protocol, auto change) {
    return [protocol, change](CreateBody& b) {
      b.spec.readiness_probe = probe();
      b.spec.readiness_probe->protocol_text = protocol;
      change(*b.spec.readiness_probe);
    };
  };
  using P = model::ReadinessProbe;
  for (const Case& c : std::vector<Case>{
           {"readiness_probe.protocol is required", with("", [](P&) {})},
           {"readiness_probe.protocol must be tcp or http", with("udp", [](P&) {})},
           {"readiness_probe.port must be between 1 and 65535", with("tcp", [](P& p) { p.port = 0; })},
           {"readiness_probe.path is required when protocol is http", with("http", [](P& p) { p.path = ""; })},
           {"readiness_probe.path must start with '/' when protocol is http", with("http", [](P& p) { p.path = "x"; })},
           {"readiness_probe.initial_delay_seconds must be >= 1",
            with("tcp", [](P& p) { p.initial_delay_seconds = 0; })},
           {"readiness_probe.period_seconds must be >= 1", with("tcp", [](P& p) { p.period_seconds = 0; })},
           {"readiness_probe.timeout_seconds must be >= 1", with("tcp", [](P& p) { p.timeout_seconds = 0; })},
           {"readiness_probe.success_threshold must be >= 1", with("tcp", [](P& p) { p.success_threshold = 0; })},
           {"readiness_probe.failure_threshold must be >= 1", with("tcp", [](P& p) { p.failure_threshold = -1; })},
       }) {
    expect_message(c);
  }
}

TEST(ValidateCreate, the_first_problem_in_the_documented_order_is_named) {
  CreateBody body = good();
  body.spec.ttl_seconds = -1;
  body.spec.ports = {{0, 0, "tcp"}};
  body.spec.containers[0].image = "";
  EXPECT_EQ(validate_create(body).error().message(), "ttl_seconds must be >= 0");
  body.spec.ttl_seconds = 0;
  EXPECT_EQ(validate_create(body).error().message(), "container web image is required");
}

// Everything is wrong at once; each step mends what was named.
TEST(ValidateCreate, the_whole_order_is_the_documented_one) {
  CreateBody body;
  body.id = "a/b";
  body.name = "n n";
  body.spec.node_selector[""] = "x";
  body.spec.ttl_seconds = -1;
  body.spec.volumes = {volume("", "")};
  body.spec.ports = {{0, 0, "sctp"}};
  body.spec.readiness_probe = model::ReadinessProbe();
  body.spec.readiness_probe->port = 0;
  const auto container = [&]() -> model::Container& { return body.spec.containers.at(0); };
  const std::vector<std::pair<const char*, std::function<void()>>> steps = {
      {"id contains invalid path characters", [&] { body.id = "a"; }},
      {"node_selector key is required", [&] { body.spec.node_selector.clear(); }},
      {"at least one container is required", [&] { body.spec.containers.resize(1); }},
      {"ttl_seconds must be >= 0", [&] { body.spec.ttl_seconds = 0; }},
      {"volume name is required", [&] { body.spec.volumes[0].name = "v"; }},
      {"volume v ephemeral_storage is required", [&] { body.spec.volumes[0].ephemeral_storage_bytes.text = "1Mi"; }},
      {"container name is required", [&] { container().name = "web"; }},
      {"container web image is required", [&] { container().image = "nginx"; }},
      {"container resource cpu/memory are required", [&] { container().resources.limit_cpu_milli.text = "x"; }},
      {"container resource cpu/memory are required", [&] { container().resources.limit_memory_bytes.text = "x"; }},
      {"invalid cpu for container web", [&] { container().resources.limit_cpu_milli.text = "0"; }},
      {"invalid memory for container web",
       [&] {
         container().resources.limit_memory_bytes.text = "-1";
         container().volume_mounts = {{"w", "/d", false}};
         container().tmpfs = {{"", ""}};
       }},
      {"container web references unknown volume w", [&] { container().volume_mounts[0].name = "v"; }},
      {"container web tmpfs mount_path is required", [&] { container().tmpfs.clear(); }},
      {"invalid container port", [&] { body.spec.ports[0].container_port = 80; }},
      {"unsupported protocol", [&] { body.spec.ports[0].protocol_text = "UDP"; }},
      {"readiness_probe.protocol is required", [&] { body.spec.readiness_probe->protocol_text = "http"; }},
      {"readiness_probe.port must be between 1 and 65535", [&] { body.spec.readiness_probe->port = 80; }},
      {"readiness_probe.path is required when protocol is http", [&] { body.spec.readiness_probe->path = "/"; }},
      {"readiness_probe.initial_delay_seconds must be >= 1",
       [&] { body.spec.readiness_probe->initial_delay_seconds = 1; }},
      {"name contains unsupported characters", [&] { body.name = "n"; }},
  };
  for (const auto& [message, mend] : steps) {
    const auto result = validate_create(body);
    ASSERT_FALSE(result) << message;
    ASSERT_EQ(result.error().message(), message);
    mend();
  }
  EXPECT_TRUE(validate_create(body)) << "amounts of 0 and below pass here and fail on the node";
}

TEST(ValidateExternal, in_order) {
  BindExternal external;
  EXPECT_EQ(validate_external(external).error().message(), "external id is required");
  external.id = "e";
  EXPECT_EQ(validate_external(external).error().message(), "spec.node_id is required");
  external.node = NodeId("n");
  EXPECT_EQ(validate_external(external).error().message(), "spec.external is required");
  external.external = "x";
  EXPECT_TRUE(validate_external(external));
}

}  // namespace
}  // namespace sandboxd::orch::sandboxd_o
