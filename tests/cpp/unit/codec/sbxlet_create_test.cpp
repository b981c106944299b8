#include "codec/sbxlet.hpp"
#include "support/sample_model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sandboxd::codec::sbxlet {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kStock = R"({
  "id":"sbx-1","egress":true,
  "ports":[{"hostPort":10080,"containerPort":80,"protocol":"TCP"}],
  "volumes":[{"name":"data","ephemeralStorage":"1Gi"}],
  "containers":[{"name":"web","image":"nginx","args":["a","b"],"env":["K=V"],"workDir":"/w","capAdd":["NET_ADMIN"],
    "capDrop":["ALL"],"securityOpt":["seccomp=unconfined"],"readOnly":true,
    "tmpfs":[{"mountPath":"/run","options":"size=1m"}],
    "volumeMounts":[{"name":"data","mountPath":"/data","readOnly":true}],
    "resource":{"cpu":"200m","memory":"256Mi","ephemeralStorage":"96Mi"}}],
  "readinessProbe":{"protocol":"HTTP","port":80,"path":"/","initialDelaySeconds":1,"periodSeconds":2,
    "timeoutSeconds":3,"successThreshold":4,"failureThreshold":5}
})";

// The same request in the spelling of the published pages.
constexpr std::string_view kSnake = R"({
  "id":"sbx-1","egress":true,
  "ports":[{"host_port":10080,"container_port":80,"protocol":"TCP"}],
  "volumes":[{"name":"data","ephemeral_storage":"1Gi"}],
  "containers":[{"name":"web","image":"nginx","args":["a","b"],"env":["K=V"],"work_dir":"/w","cap_add":["NET_ADMIN"],
    "cap_drop":["ALL"],"security_opt":["seccomp=unconfined"],"read_only":true,
    "tmpfs":[{"mount_path":"/run","options":"size=1m"}],
    "volume_mounts":[{"name":"data","mount_path":"/data","read_only":true}],
    "resource":{"cpu":"200m","memory":"256Mi","ephemeral_storage":"96Mi"}}],
  "readiness_probe":{"protocol":"HTTP","port":80,"path":"/","initial_delay_seconds":1,"period_seconds":2,
    "timeout_seconds":3,"success_threshold":4,"failure_threshold":5}
})";

TEST(SbxletCreate, the_stock_form_decodes_without_our_additions) {
  const auto request = decode_create(kStock).value();
  EXPECT_EQ(request.id, SandboxId("sbx-1"));
  EXPECT_EQ(request.uid, "");
  EXPECT_EQ(request.spec.egress.mode, model::EgressMode::public_internet);
  EXPECT_THAT(request.ports, testing::ElementsAre(model::PublishedPort{10080, 80, model::Protocol::tcp}));
  EXPECT_EQ(request.spec.ports.at(0).protocol_text, "TCP");
  const model::Container& web = request.spec.containers.at(0);
  EXPECT_EQ(web.command_kind, model::CommandKind::given);
  EXPECT_EQ(web.work_dir, "/w");
  EXPECT_EQ(web.tmpfs.at(0), (model::Tmpfs{"/run", "size=1m"}));
  EXPECT_EQ(web.volume_mounts.at(0), (model::VolumeMount{"data", "/data", true}));
  EXPECT_EQ(web.resources.limit_cpu_milli, (model::Amount{200, "200m"}));
  EXPECT_EQ(web.resources.request_cpu_milli, 200);
  EXPECT_EQ(web.resources.limit_memory_bytes.value, 256 << 20);
  EXPECT_EQ(request.spec.readiness_probe->kind, model::ProbeKind::http);
  EXPECT_EQ(request.spec.readiness_probe->failure_threshold, 5);
  EXPECT_EQ(request.spec.ttl_seconds, 0);
}

TEST(SbxletCreate, both_spellings_mean_the_same) {
  EXPECT_EQ(decode_create(kStock).value(), decode_create(kSnake).value());
}

TEST(SbxletCreate, letter_case_of_names_does_not_matter) {
  std::string shouted(kStock);
  for (const auto& [from, to] : {std::pair{"\"hostPort\"", "\"HOSTPORT\""}, {"\"containers\"", "\"Containers\""}}) {
    shouted.replace(shouted.find(from), std::string_view(from).size(), to);
  }
  EXPECT_EQ(decode_create(shouted).value(), decode_create(kStock).value());
}

TEST(SbxletCreate, our_own_requests_come_back) {
  model::NodeCreateRequest request;
  request.id = SandboxId("sbx-1");
  request.uid = "u1";
  request.spec = test::full_spec();
  request.ports = {{10080, 80, model::Protocol::tcp}, {10053, 53, model::Protocol::udp}};
  // What a node is not told, because the control plane has acted on it already.
  request.spec.node_selector.clear();
  request.spec.template_id.clear();
  request.spec.secrets.clear();
  const auto decoded = decode_create(encode_create(request)).value();
  request.spec.ports = {{10080, 80, "tcp"}, {10053, 53, "udp"}};
  EXPECT_EQ(decoded, request);
}

TEST(SbxletCreate, a_plain_request_is_written_in_the_stock_form_only) {
  auto request = decode_create(kStock).value();
  const std::string body = encode_create(request);
  EXPECT_EQ(decode_create(body).value().spec.containers, request.spec.containers);
  for (const char* ours :
       {"uid", "ttlSeconds", "runtime", "egressPolicy", "labels", "onExpiry", "requestCPUMilli", "hold"}) {
    EXPECT_THAT(body, Not(HasSubstr("\"" + std::string(ours) + "\""))) << ours;
  }
}

TEST(SbxletCreate, an_allow_list_is_closed_to_a_stock_node) {
  model::NodeCreateRequest request;
  request.spec.egress = {model::EgressMode::allow_list, {"198.51.100.0/24"}};
  EXPECT_THAT(encode_create(request), HasSubstr("\"egress\":false"));
  EXPECT_EQ(decode_create(encode_create(request)).value().spec.egress, request.spec.egress);
}

TEST(SbxletCreate, amounts_without_text_are_written_as_quantities) {
  model::NodeCreateRequest request;
  request.spec.containers.emplace_back();
  request.spec.containers[0].resources.limit_cpu_milli = {1500, ""};
  request.spec.containers[0].resources.limit_memory_bytes = {256 << 20, ""};
  EXPECT_THAT(encode_create(request), HasSubstr(R"("resource":{"cpu":"1500m","memory":"256Mi"})"));
}

TEST(SbxletCreate, wrong_types_are_named_with_their_path) {
  const auto port = decode_create(R"({"ports":[{"hostPort":"80"}]})");
  EXPECT_EQ(port.error().message(), "ports[0].hostPort: an integer is expected, not a string");
  EXPECT_EQ(port.error().code(), ErrorCode::invalid_argument);
  const auto cpu = decode_create(R"({"containers":[{"resource":{"cpu":1}}]})");
  EXPECT_EQ(cpu.error().message(), "containers[0].resource.cpu: a string is expected, not a number");
}

TEST(SbxletCreate, null_and_trailing_bytes_are_taken_as_the_original_takes_them) {
  EXPECT_EQ(decode_create("null").value(), model::NodeCreateRequest{});
  EXPECT_EQ(decode_create(R"({"id":"a","containers":null,"ports":null} trailing)").value().id, SandboxId("a"));
  EXPECT_FALSE(decode_create(""));
}

TEST(SbxletCreate, what_the_probe_leaves_out_is_zero_for_validation_to_refuse) {
  const auto request = decode_create(R"({"readinessProbe":{"port":80}})").value();
  EXPECT_EQ(request.spec.readiness_probe->protocol_text, "");
  EXPECT_EQ(request.spec.readiness_probe->period_seconds, 0);
}

}  // namespace
}  // namespace sandboxd::codec::sbxlet
