// The orchestrator's JSON: what a stock client sends is understood, what it reads is there, in the original's order.
#include "orch/api/sandboxd_o/wire.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sandboxd::orch::sandboxd_o {
namespace {

constexpr const char* kPageExample = R"({
  "id": "sbx-demo-1",
  "spec": {
    "egress": true, "ttl_seconds": 3600,
    "ports": [{"container_port": 80, "protocol": "tcp"}],
    "readiness_probe": {"protocol": "http", "port": 80, "path": "/", "initial_delay_seconds": 1, "period_seconds": 1,
                        "timeout_seconds": 1, "success_threshold": 2, "failure_threshold": 3},
    "containers": [{"name": "web", "image": "nginx:latest", "args": [], "env": [], "work_dir": "",
                    "resource": {"cpu": "200m", "memory": "256Mi", "ephemeral_storage": "96Mi"}}]
  }
})";

std::string spec_text(const CreateBody& body) {
  model::Sandbox sandbox;
  sandbox.id = SandboxId(body.id);
  sandbox.spec = body.spec;
  return codec::write_json(sandbox_object(sandbox).at("spec"));
}

TEST(Wire, the_published_create_example_is_understood) {
  const auto body = decode_create(kPageExample);
  ASSERT_TRUE(body) << body.error().message();
  EXPECT_TRUE(validate_create(*body));
  EXPECT_EQ(body->id, "sbx-demo-1");
  EXPECT_EQ(body->spec.egress.mode, model::EgressMode::public_internet);
  EXPECT_EQ(body->spec.ttl_seconds, 3600);
  EXPECT_EQ(body->spec.containers.at(0).command_kind, model::CommandKind::image);
  EXPECT_EQ(body->spec.containers.at(0).resources.request_cpu_milli, 200);
  EXPECT_EQ(body->spec.containers.at(0).resources.request_memory_bytes, 256 << 20);
  EXPECT_EQ(body->spec.readiness_probe->success_threshold, 2);
}

TEST(Wire, a_spec_is_echoed_as_sent_without_empty_fields) {
  const auto body = decode_create(kPageExample);
  ASSERT_TRUE(body);
  EXPECT_EQ(spec_text(*body),
            R"({"egress":true,"ttl_seconds":3600,"ports":[{"container_port":80,"protocol":"tcp"}],)"
            R"("containers":[{"name":"web","image":"nginx:latest","resource":{"cpu":"200m","memory":"256Mi",)"
            R"("ephemeral_storage":"96Mi"}}],"readiness_probe":{"protocol":"http","port":80,"path":"/",)"
            R"("initial_delay_seconds":1,"period_seconds":1,"timeout_seconds":1,"success_threshold":2,)"
            R"("failure_threshold":3}})");
}

TEST(Wire, a_new_sandbox_looks_like_the_original) {
  model::Sandbox sandbox;
  sandbox.id = SandboxId("s");
  sandbox.name = "s";
  sandbox.spec.containers.emplace_back().name = "c";
  sandbox.created_at = sandbox.updated_at = WallTime{1'767'323'045'000'000'000};
  sandbox.expires_at = WallTime{1'767'323'045'500'000'000};
  sandbox.revision = 3;
  EXPECT_EQ(
      codec::write_json(sandbox_object(sandbox)),
      R"({"id":"s","spec":{"egress":false,"containers":[{"name":"c","image":"","resource":{"cpu":"","memory":""}}]},)"
      R"("status":{"phase":"Pending","expire_at":"2026-01-02T03:04:05.5Z"},"created_at":"2026-01-02T03:04:05Z",)"
      R"("updated_at":"2026-01-02T03:04:05Z","name":"s","revision":3})");
}

TEST(Wire, a_node_looks_like_the_original) {
  model::Node node;
  node.id = NodeId("node-a");
  node.address = {"192.168.0.3", 8080};
  const std::string text = codec::write_json(node_object(node));
  EXPECT_TRUE(text.starts_with(R"({"id":"node-a","metadata":{},"ip":"192.168.0.3","port":8080,"unschedulable":false,)"
                               R"("state":"Unknown","source":"object","success_streak":0,"failure_streak":0,)"))
      << text;
  constexpr const char* kEnd =
      R"x("max_alloc_percent":0,"external":"(none)"},"sbxlet_base_url":"http://192.168.0.3:8080",)x";
  EXPECT_NE(text.find(kEnd), std::string::npos) << text;
}

TEST(Wire, what_the_scheduler_knows_of_disk_and_images_is_added_where_the_node_tells_it) {
  model::Node node;
  node.id = NodeId("node-a");
  EXPECT_EQ(codec::write_json(whole_node_object(node)), codec::write_json(node_object(node)));
  node.resources.disk_capacity_bytes = 100;
  node.images = {"docker.io/library/b:1", "a"};
  const std::string listed = codec::write_json(node_object(node));
  EXPECT_THAT(listed, testing::HasSubstr(R"("disk_capacity_bytes":100,"disk_free_bytes":0})"));
  EXPECT_THAT(listed, testing::EndsWith(R"("image_count":2})"));
  EXPECT_THAT(codec::write_json(whole_node_object(node)),
              testing::EndsWith(R"("image_count":2,"images":["docker.io/library/b:1","a"]})"));
}

TEST(Wire, field_names_ignore_case_and_unknown_fields_are_ignored) {
  const auto body = decode_create(R"({"ID":"a","Spec":{"TTL_Seconds":5,"whatever":{}},"x":1} trailing)");
  ASSERT_TRUE(body) << body.error().message();
  EXPECT_EQ(body->id, "a");
  EXPECT_EQ(body->spec.ttl_seconds, 5);
}

TEST(Wire, null_is_an_empty_object) { EXPECT_TRUE(decode_create("null")); }

TEST(Wire, malformed_bodies_are_invalid_arguments_with_a_text) {
  for (const char* text :
       {"", "{", "[]", "nonsense", R"({"id":5})", R"({"spec":{"ttl_seconds":1.5}})", R"({"spec":{"ttl_seconds":"1"}})",
        R"({"spec":{"containers":{}}})", R"({"spec":{"ports":[{"container_port":1e3}]}})"}) {
    const auto body = decode_create(text);
    ASSERT_FALSE(body) << text;
    EXPECT_EQ(body.error().code(), ErrorCode::invalid_argument) << text;
    EXPECT_FALSE(body.error().message().empty()) << text;
  }
}

TEST(Wire, node_bodies_are_trimmed) {
  const auto body = decode_node(
      R"({"id":" n ","metadata":{"labels":{" zone ":" a ","  ":"x"}},"spec":{"ip":" 10.0.0.1 ","port":80,"unschedulable":true}})");
  ASSERT_TRUE(body);
  EXPECT_EQ(body->id, "n");
  EXPECT_EQ(body->address.ip, "10.0.0.1");
  EXPECT_TRUE(body->unschedulable);
  EXPECT_EQ(body->labels, (model::Labels{{"zone", "a"}}));
}

TEST(Wire, node_patches_keep_what_is_to_go_apart_from_what_is_absent) {
  const auto body = decode_node_patch(
      R"({"METADATA":{"Labels":{" a ":" 1 ","b":null," ":"x"}},"spec":{"unschedulable":false}} trailing)");
  ASSERT_TRUE(body) << body.error().message();
  EXPECT_TRUE(body->has_labels);
  EXPECT_EQ(body->patch.unschedulable, std::optional(false));
  const std::map<std::string, std::optional<std::string>> labels{{"", "x"}, {"a", "1"}, {"b", std::nullopt}};
  EXPECT_EQ(body->patch.labels, labels);
  const auto nothing = decode_node_patch("null");
  EXPECT_FALSE(nothing->has_labels);
  EXPECT_FALSE(nothing->patch.unschedulable);
  EXPECT_TRUE(decode_node_patch(R"({"metadata":{"labels":{}}})")->has_labels);
  for (const char* text : {"", "[]", R"({"metadata":5})", R"({"metadata":{"labels":{"a":{}}}})", R"({"spec":[]})"}) {
    EXPECT_FALSE(decode_node_patch(text)) << text;
  }
}

TEST(Wire, externals_are_trimmed_and_shown_in_the_originals_order) {
  const auto body = decode_external(R"({"Id":" e ","spec":{"node_id":" n ","External":" 1.2.3.4 ","x":1}})");
  ASSERT_TRUE(body);
  EXPECT_EQ(body->id, "e");
  EXPECT_EQ(body->node, NodeId("n"));
  EXPECT_EQ(body->external, "1.2.3.4");
  EXPECT_FALSE(decode_external(R"({"id":1})"));
  model::Node node;
  node.id = NodeId("n");
  node.external_id = "e";
  node.external = "1.2.3.4";
  node.external_created_at = WallTime{1'767'323'045'000'000'000};
  node.external_updated_at = WallTime{1'767'323'045'120'000'000};
  EXPECT_EQ(codec::write_json(external_object(node)),
            R"({"id":"e","node_id":"n","external":"1.2.3.4","created_at":"2026-01-02T03:04:05Z",)"
            R"("updated_at":"2026-01-02T03:04:05.12Z"})");
}

TEST(Wire, a_probes_protocol_is_understood_in_any_case_and_echoed_as_sent) {
  const auto body = decode_create(R"({"id":"a","spec":{"readiness_probe":{"protocol":" HTTP ","port":80}}})");
  ASSERT_TRUE(body);
  EXPECT_EQ(body->spec.readiness_probe->kind, model::ProbeKind::http);
  EXPECT_NE(spec_text(*body).find(R"("protocol":" HTTP ")"), std::string::npos);
}

TEST(Wire, error_texts_are_escaped) { EXPECT_EQ(error_body("a \"b\" <c>"), R"({"error":"a \"b\" \u003cc\u003e"})"); }

}  // namespace
}  // namespace sandboxd::orch::sandboxd_o
