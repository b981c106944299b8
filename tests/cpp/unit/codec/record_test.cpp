#include "codec/record.hpp"

#include "codec/json.hpp"
#include "support/sample_model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sandboxd::codec::record {
namespace {

using testing::HasSubstr;

TEST(Record, values_with_every_field_set_come_back) {
  const auto spec = test::full_spec();
  EXPECT_EQ(decode_spec("s", encode_spec(spec)).value(), spec);
  const auto sandbox = test::full_sandbox();
  EXPECT_EQ(decode_sandbox("s", encode_sandbox(sandbox)).value(), sandbox);
  const auto node = test::full_node();
  EXPECT_EQ(decode_node("n", encode_node(node)).value(), node);
  const auto node_sandbox = test::full_node_sandbox();
  EXPECT_EQ(decode_node_sandbox("s", encode_node_sandbox(node_sandbox)).value(), node_sandbox);
}

TEST(Record, default_values_come_back) {
  EXPECT_EQ(decode_spec("s", encode_spec({})).value(), model::SandboxSpec{});
  EXPECT_EQ(decode_sandbox("s", encode_sandbox({})).value(), model::Sandbox{});
  EXPECT_EQ(decode_node("n", encode_node({})).value(), model::Node{});
  EXPECT_EQ(decode_node_sandbox("s", encode_node_sandbox({})).value(), model::NodeSandbox{});
}

TEST(Record, fields_that_are_empty_against_their_default_come_back) {
  model::Node node;
  node.source = "";
  node.external = "";
  EXPECT_EQ(decode_node("n", encode_node(node)).value(), node);
  model::Sandbox sandbox;
  sandbox.owner = "";
  sandbox.expires_at = WallTime{0};
  EXPECT_EQ(decode_sandbox("s", encode_sandbox(sandbox)).value(), sandbox);
  model::SandboxSpec spec;
  spec.readiness_probe.emplace();
  spec.readiness_probe->period_seconds = 0;
  spec.readiness_probe->failure_threshold = 0;
  EXPECT_EQ(decode_spec("s", encode_spec(spec)).value(), spec);
}

TEST(Record, every_enumerator_comes_back) {
  model::Sandbox sandbox;
  for (int i = 0; i < 10; ++i) {
    sandbox.phase = static_cast<model::Phase>(i);
    sandbox.desired = static_cast<model::Desired>(i % 4);
    sandbox.spec.egress.mode = static_cast<model::EgressMode>(i % 3);
    sandbox.spec.on_expiry = static_cast<model::OnExpiry>(i % 2);
    sandbox.spec.restart_policy = static_cast<model::RestartPolicy>(i % 3);
    model::Container container;
    container.command_kind = static_cast<model::CommandKind>(i % 3);
    sandbox.spec.containers = {container};
    sandbox.containers = {{"a", static_cast<model::ContainerPhase>(i % 5), "", "", i}};
    EXPECT_EQ(decode_sandbox("s", encode_sandbox(sandbox)).value(), sandbox) << i;
  }
  model::Node node;
  for (int i = 0; i < 3; ++i) {
    node.state = static_cast<model::NodeState>(i);
    EXPECT_EQ(decode_node("n", encode_node(node)).value(), node) << i;
  }
}

TEST(Record, a_record_carries_its_version) {
  EXPECT_THAT(encode_sandbox({}), HasSubstr("\"v\":1"));
  EXPECT_THAT(encode_spec({}), HasSubstr("\"v\":1"));
  EXPECT_THAT(encode_node({}), HasSubstr("\"v\":1"));
  EXPECT_THAT(encode_node_sandbox({}), HasSubstr("\"v\":1"));
}

TEST(Record, a_newer_version_is_refused_by_name) {
  const auto failed = decode_sandbox("sbx-9", R"({"v":2,"id":"sbx-9"})");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::storage_failed);
  EXPECT_THAT(failed.error().message(), HasSubstr("record of sandbox sbx-9"));
  EXPECT_THAT(failed.error().message(), HasSubstr("version 2"));
}

TEST(Record, fields_of_the_future_are_ignored) {
  auto document = read_json(encode_sandbox(test::full_sandbox())).value();
  document.get_object()["invented_later"] = json::array({1, 2});
  document.get_object()["spec"].get_object()["invented_later"] = "x";
  EXPECT_EQ(decode_sandbox("s", write_json(document)).value(), test::full_sandbox());
}

TEST(Record, a_damaged_record_is_named_with_its_field) {
  auto document = read_json(encode_sandbox(test::full_sandbox("sbx-5"))).value();
  document.get_object()["spec"].get_object()["containers"].get_array()[0].get_object()["image"] = 7;
  const auto failed = decode_sandbox("sbx-5", write_json(document));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::storage_failed);
  EXPECT_EQ(failed.error().message(),
            "record of sandbox sbx-5: spec.containers[0].image: a string is expected, not a number");
}

TEST(Record, an_unknown_word_of_an_enumeration_is_an_error) {
  auto document = read_json(encode_node(test::full_node())).value();
  document.get_object()["state"] = "Sleepy";
  const auto failed = decode_node("node-1", write_json(document));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message(), "record of node node-1: state: unknown value \"Sleepy\"");
}

TEST(Record, a_cut_record_is_an_error_and_not_a_default) {
  const std::string whole = encode_node_sandbox(test::full_node_sandbox());
  for (const std::size_t length : {std::size_t{0}, std::size_t{1}, whole.size() / 2, whole.size() - 1}) {
    const auto failed = decode_node_sandbox("s", whole.substr(0, length));
    ASSERT_FALSE(failed) << length;
    EXPECT_EQ(failed.error().code(), ErrorCode::storage_failed);
  }
  EXPECT_FALSE(decode_node_sandbox("s", "{}"));
  EXPECT_FALSE(decode_node_sandbox("s", "[]"));
}

TEST(Record, columns_come_back_and_name_their_owner_when_damaged) {
  const auto sandbox = test::full_sandbox();
  EXPECT_EQ(decode_ports("s", encode_ports(sandbox.ports)).value(), sandbox.ports);
  EXPECT_EQ(decode_containers("s", encode_containers(sandbox.containers)).value(), sandbox.containers);
  EXPECT_EQ(decode_texts("s", encode_texts(sandbox.reasons)).value(), sandbox.reasons);
  EXPECT_EQ(decode_labels("s", encode_labels(sandbox.spec.labels)).value(), sandbox.spec.labels);
  EXPECT_EQ(decode_resources("n", encode_resources(test::full_resources())).value(), test::full_resources());
  EXPECT_THAT(decode_ports("sbx-3", R"([{"host_port":"x"}])").error().message(),
              HasSubstr("record of sandbox sbx-3: ports[0].host_port"));
  EXPECT_THAT(decode_ports("sbx-3", "[{").error().message(), HasSubstr("record of sandbox sbx-3: ports: malformed"));
}

}  // namespace
}  // namespace sandboxd::codec::record
