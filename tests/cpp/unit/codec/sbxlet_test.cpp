#include "codec/sbxlet.hpp"

#include "support/sample_model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sandboxd::codec::sbxlet {
namespace {

using testing::HasSubstr;

NodeFacts facts() {
  return {.runtime_namespace = "k8s.io",
          .subnet_cidr = "10.89.0.0/16",
          .bridge_name = "sbx-br0",
          .cni_conf_path = "/etc/cni/x.conflist",
          .runtime = "runsc"};
}

TEST(SbxletSandbox, has_the_originals_fields_in_their_order) {
  model::NodeSandbox s;
  s.id = SandboxId("s1");
  s.uid = "not shown";
  s.phase = model::Phase::running;
  s.ip = "10.89.0.5";
  s.pod_key = "pod";
  s.spec.egress.mode = model::EgressMode::public_internet;
  s.ports = {{10080, 80, model::Protocol::tcp}};
  s.spec.volumes = {{"v", {1 << 30, "1Gi"}}};
  model::Container c;
  c.name = "web";
  c.image = "nginx";
  c.args = {"run"};
  c.env = {"A=b"};
  c.work_dir = "/not/retained";
  c.cap_add = {"X"};
  c.cap_drop = {"Y"};
  c.security_opt = {"seccomp=unconfined"};
  c.read_only = true;
  c.tmpfs = {{"/run", ""}};
  c.volume_mounts = {{"v", "/v", false}};
  c.resources.limit_cpu_milli = {200, "200m"};
  c.resources.limit_memory_bytes = {1 << 20, "1Mi"};
  model::Container a = {};
  a.name = "aaa";
  a.image = "busybox";
  s.spec.containers = {c, a};
  s.containers = {
      {"web", "key-web", model::ContainerPhase::running, "docker.io/library/nginx", "sha256:d1", "", "", 77, {}},
      {"aaa", "", model::ContainerPhase::creating, "", "", "", "", 0, {}}};
  s.created_at = {1'700'000'000'500'000'000};
  s.updated_at = {1'700'000'001'000'000'000};
  EXPECT_EQ(
      write_json(sandbox_object(s, facts())),
      R"({"id":"s1","phase":"running","namespace":"k8s.io","ip":"10.89.0.5","subnetCIDR":"10.89.0.0/16",)"
      R"("bridgeName":"sbx-br0","egress":true,"ports":[{"hostPort":10080,"containerPort":80,"protocol":"tcp"}],)"
      R"("volumes":[{"name":"v","ephemeralStorage":"1Gi"}],"containers":{)"
      R"("aaa":{"id":"s1-aaa","name":"aaa","phase":"creating","image":"busybox","resource":{"cpu":"","memory":""},)"
      R"("taskPID":0,"runtime":"runsc"},)"
      R"("web":{"id":"key-web","name":"web","phase":"running","image":"docker.io/library/nginx","args":["run"],)"
      R"("env":["A=b"],"capAdd":["X"],"capDrop":["Y"],"securityOpt":["seccomp=unconfined"],"readOnly":true,)"
      R"("tmpfs":[{"mountPath":"/run"}],"volumeMounts":[{"name":"v","mountPath":"/v"}],)"
      R"("resource":{"cpu":"200m","memory":"1Mi"},"taskPID":77,"runtime":"runsc","imageDigest":"sha256:d1"}},"pauseID":"pod",)"
      R"("cniConfPath":"/etc/cni/x.conflist","createdAt":"2023-11-14T22:13:20.5Z","updatedAt":"2023-11-14T22:13:21Z"})");
}

TEST(SbxletSandbox, an_error_and_the_sandboxs_own_runtime_are_shown) {
  model::NodeSandbox sandbox = test::full_node_sandbox();
  sandbox.containers[0].exit_code = 137;
  sandbox.containers[0].restarts = 4;
  const std::string text = write_json(sandbox_object(sandbox, facts()));
  EXPECT_THAT(text, HasSubstr(R"("exitCode":137,"restarts":4)"));
  EXPECT_THAT(text, HasSubstr(R"("phase":"error","error":"web: exited")"));
  EXPECT_THAT(text, HasSubstr(R"("runtime":"runc","taskStatus":"exited")"));
}

TEST(SbxletSandbox, pulls_are_shown_with_numbers_and_in_words) {
  model::PullProgress pull{"docker.io/library/x:1", 5, 3, 40 << 20, (12 << 20) + 7};
  EXPECT_EQ(write_json(pulls_array({pull, {"y", 0, 0, 0, 0}})),
            R"([{"image":"docker.io/library/x:1","layersDone":3,"layersTotal":5,"bytesDone":12582919,)"
            R"("bytesTotal":41943040,"message":"pulling docker.io/library/x:1: 3 of 5 layers, 12 of 40 MiB"},)"
            R"({"image":"y","layersDone":0,"layersTotal":0,"bytesDone":0,"bytesTotal":0,"message":"pulling y"}])");
}

TEST(SbxletResources, come_back) {
  const auto decoded = decode_node_status(encode_node_status(test::full_resources()));
  EXPECT_EQ(decoded.value(), test::full_resources());
}

TEST(SbxletResources, an_answer_without_them_is_a_protocol_error) {
  const auto failed = decode_node_status(R"({"ok":true})");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::protocol_error);
  EXPECT_EQ(decode_node_status("<html>").error().code(), ErrorCode::protocol_error);
}

model::NodeSandboxStatus sample_status() {
  model::NodeSandboxStatus status;
  status.id = SandboxId("s1");
  status.uid = "u1";
  status.phase = model::Phase::failed;
  status.ip = "10.89.0.5";
  status.error = "b: exited";
  status.containers = {{"a", model::ContainerPhase::running, "", "", {}},
                       {"b", model::ContainerPhase::stopped, "", "container_exited", 3},
                       {"c", model::ContainerPhase::creating, "slow", "", {}}};
  return status;
}

TEST(SbxletStatus, lists_the_unhealthy_ones_as_the_original_and_all_as_ours) {
  EXPECT_EQ(write_json(status_object(sample_status())),
            R"({"id":"s1","ip":"10.89.0.5","phase":"error","error":"b: exited","unhealthy_containers":[)"
            R"({"name":"b","phase":"stopped","task_status":"container_exited"},)"
            R"({"name":"c","phase":"creating","error":"slow"}],"uid":"u1","containers":[)"
            R"({"name":"a","phase":"running"},)"
            R"({"name":"b","phase":"stopped","task_status":"container_exited","exit_code":3},)"
            R"({"name":"c","phase":"creating","error":"slow"}]})");
}

TEST(SbxletStatus, our_batch_comes_back_with_exit_codes) {
  const StatusBatch batch{{sample_status()}, {SandboxId("gone")}};
  const std::string item = write_json(status_object(sample_status()));
  EXPECT_EQ(decode_status_batch(encode_status_batch(std::vector<std::string_view>{item}, batch.missing)).value(),
            batch);
}

TEST(SbxletStatus, a_stock_batch_is_understood) {
  const auto batch = decode_status_batch(
      R"({"items":[{"id":"s1","phase":"creating","unhealthy_containers":[{"name":"b","phase":"stopped"}]}]})");
  ASSERT_EQ(batch.value().items.size(), 1U);
  EXPECT_EQ(batch.value().items[0].uid, "");
  EXPECT_EQ(batch.value().items[0].phase, model::Phase::creating);
  EXPECT_EQ(batch.value().items[0].containers.at(0).phase, model::ContainerPhase::stopped);
  EXPECT_TRUE(batch.value().missing.empty());
}

TEST(SbxletStatus, an_empty_batch_has_no_missing_member) { EXPECT_EQ(encode_status_batch({}, {}), R"({"items":[]})"); }

TEST(SbxletStatus, ids_come_back_as_sent) {
  EXPECT_EQ(encode_status_ids({SandboxId("a"), SandboxId("b")}), R"({"ids":["a","b"]})");
  EXPECT_THAT(decode_status_ids(R"({"ids":[" a ","",null]})").value(), testing::ElementsAre(" a ", "", ""));
  EXPECT_FALSE(decode_status_ids(R"({"ids":[1]})"));
  EXPECT_TRUE(decode_status_ids("{}").value().empty());
}

TEST(SbxletEvents, every_kind_comes_back) {
  const std::vector<std::pair<std::string, model::NodeEvent>> events = {
      {"report", model::NodeReport{"boot-1", test::full_resources()}},
      {"report", model::NodeReport{"boot-1", test::full_resources(), std::vector<std::string>{"alpine:3.20"}}},
      {"sandbox", sample_status()},
      {"gone", model::NodeSandboxGone{SandboxId("s1"), "u1"}},
      {"snapshot_end", model::NodeSnapshotEnd{}}};
  for (const auto& [name, event] : events) {
    const WireEvent wire = encode_event(event);
    EXPECT_EQ(wire.name, name);
    EXPECT_EQ(wire.data.find('\n'), std::string::npos);
    const auto decoded = decode_event(wire.name, wire.data).value();
    ASSERT_TRUE(decoded) << name;
    EXPECT_TRUE(*decoded == event) << name;
  }
}

TEST(SbxletEvents, an_event_of_the_future_is_skipped) {
  EXPECT_EQ(decode_event("metering", "{}").value(), std::nullopt);
}

TEST(SbxletEvents, nonsense_is_a_protocol_error_that_names_the_event) {
  for (const auto& [name, data] : {std::pair{"sandbox", "{\"id\":\"a\"}"},
                                   {"sandbox", "{\"id\":\"a\",\"phase\":\"odd\"}"},
                                   {"gone", "{}"},
                                   {"report", "7"},
                                   {"sandbox", ""}}) {
    const auto failed = decode_event(name, data);
    ASSERT_FALSE(failed) << name << data;
    EXPECT_EQ(failed.error().code(), ErrorCode::protocol_error);
    EXPECT_THAT(failed.error().message(), HasSubstr("event \"" + std::string(name) + "\""));
  }
}

TEST(SbxletErrors, text_comes_back_and_other_bodies_are_quoted) {
  EXPECT_EQ(encode_error("no <b>"), R"({"error":"no \u003cb\u003e"})");
  EXPECT_EQ(decode_error(R"({"error":"lock timeout"})"), "lock timeout");
  EXPECT_EQ(decode_error("404 page not found"), "404 page not found");
  EXPECT_EQ(decode_error(""), "");
  EXPECT_LE(decode_error(std::string(100'000, 'x')).size(), 4096U);
  EXPECT_LE(decode_error(std::string(100'000, '\xff')).size(), 4096U) << "what stands for a wrong byte is longer";
  EXPECT_LE(decode_error(R"({"error":")" + std::string(100'000, 'x') + "\"}").size(), 4096U);
}

}  // namespace
}  // namespace sandboxd::codec::sbxlet
