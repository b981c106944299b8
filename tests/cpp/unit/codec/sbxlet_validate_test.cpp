// The messages are part of the API: they are compared as a whole.
#include "codec/sbxlet_validate.hpp"

#include "codec/sbxlet_tmpfs.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

namespace sandboxd::codec::sbxlet {
namespace {

using Request = model::NodeCreateRequest;

Request valid() {
  Request request;
  request.id = SandboxId("sbx-1");
  model::Container c;
  c.name = "web";
  c.image = "nginx";
  c.resources.limit_cpu_milli = {200, "200m"};
  c.resources.limit_memory_bytes = {256 << 20, "256Mi"};
  request.spec.containers = {c};
  request.spec.volumes = {{"data", {1 << 30, "1Gi"}}};
  return request;
}

struct Case {
  const char* message;
  std::function<void(Request&)> spoil;
};

void expect_all(const std::vector<Case>& cases) {
  for (const Case& one : cases) {
    Request request = valid();
    one.spoil(request);
    const auto result = validate_create(request);
    ASSERT_FALSE(result) << one.message;
    EXPECT_EQ(result.error().message(), one.message);
    EXPECT_EQ(result.error().code(), ErrorCode::invalid_argument);
  }
}

model::Container& web(Request& request) { return request.spec.containers[0]; }

TEST(SbxletValidate, a_good_request_passes) {
  Request request = valid();
  EXPECT_TRUE(validate_create(request));
  web(request).volume_mounts = {{"data", "/data", false}};
  web(request).tmpfs = {{"/tmp", "size=64m"}, {"/run", ""}};
  web(request).cap_add = {" NET_ADMIN "};
  web(request).security_opt = {"no-new-privileges:true", "seccomp=unconfined", "apparmor=runtime/default"};
  request.ports = {{10080, 80, model::Protocol::tcp}};
  request.spec.ports = {{10080, 80, "TCP"}};
  request.spec.readiness_probe = model::ReadinessProbe{
      .kind = model::ProbeKind::tcp, .port = 80, .initial_delay_seconds = 1, .protocol_text = "tcp"};
  EXPECT_TRUE(validate_create(request));
}

TEST(SbxletValidate, ids) {
  const auto with = [](const char* id) { return [id](Request& r) { r.id = SandboxId(id); }; };
  expect_all({{"id is required", with("")},
              {"id is required", with("  ")},
              {"id must not contain leading or trailing whitespace", with(" a")},
              {"id contains invalid path characters", with("a/b")},
              {"id contains invalid path characters", with("a\\b")},
              {"id contains invalid path characters", with("a..b")},
              {"id contains unsupported characters", with("a b")},
              {"id contains unsupported characters", with("-a")},
              {"id contains unsupported characters", [](Request& r) { r.id = SandboxId(std::string(129, 'a')); }}});
  EXPECT_TRUE(validate_id(std::string(128, 'a')));
}

TEST(SbxletValidate, volumes) {
  const auto with = [](const char* name, const char* size) {
    return [=](Request& r) { r.spec.volumes = {{name, {0, size}}}; };
  };
  expect_all({{"volume name is required", with(" ", "1Gi")},
              {"volume a/b: unsupported name", with("a/b", "1Gi")},
              {"volume v: ephemeralStorage is required", with("v", "")},
              {"volume v: invalid ephemeralStorage", with("v", "lots")},
              {"volume v: invalid ephemeralStorage", with("v", "0")},
              {"volume v: invalid ephemeralStorage", with("v", "-1")},
              {"duplicate volume name: data", [](Request& r) { r.spec.volumes.push_back(r.spec.volumes[0]); }}});
}

TEST(SbxletValidate, containers) {
  expect_all(
      {{"at least one container is required", [](Request& r) { r.spec.containers.clear(); }},
       {"container name is required", [](Request& r) { web(r).name = ""; }},
       {"container name must not contain leading or trailing whitespace", [](Request& r) { web(r).name = "a "; }},
       {"container name contains invalid path characters", [](Request& r) { web(r).name = "a/b"; }},
       {"container name contains unsupported characters", [](Request& r) { web(r).name = "a$"; }},
       {"container name contains unsupported characters", [](Request& r) { web(r).name = std::string(65, 'a'); }},
       {"container web: image is required", [](Request& r) { web(r).image = " "; }},
       {"container web: cpu is required", [](Request& r) { web(r).resources.limit_cpu_milli = {}; }},
       {"container web: memory is required", [](Request& r) { web(r).resources.limit_memory_bytes = {}; }},
       {"duplicate container name: web", [](Request& r) { r.spec.containers.push_back(web(r)); }}});
}

TEST(SbxletValidate, volume_mounts) {
  const auto with = [](const char* name, const char* path) {
    return [=](Request& r) { web(r).volume_mounts = {{name, path, false}}; };
  };
  expect_all({{"container web: volume mount name is required", with("", "/a")},
              {"container web: unknown volume nope", with("nope", "/a")},
              {"container web: mountPath is required for volume data", with("data", "")},
              {"container web: mountPath must be absolute for volume data", with("data", "a")},
              {"container web: mountPath must be clean for volume data", with("data", "/a/")},
              {"container web: mountPath must be clean for volume data", with("data", "//a")},
              {"container web: mountPath must be clean for volume data", with("data", "/a/../b")},
              {"container web: mountPath must be clean for volume data", with("data", "/./a")},
              {"container web: mountPath '/' is not allowed for volume data", with("data", "/")},
              {"container web: mountPath /tmp is reserved", with("data", "/tmp")},
              {"container web: mountPath /tmp is reserved", with("data", "/tmp/x")},
              {"container web: duplicate mountPath /a",
               [](Request& r) { web(r).volume_mounts = {{"data", "/a", false}, {"data", "/a", true}}; }}});
}

TEST(SbxletValidate, tmpfs) {
  const auto with = [](const char* path, const char* options = "") {
    return [=](Request& r) { web(r).tmpfs = {{path, options}}; };
  };
  expect_all({{"container web: tmpfs mountPath is required", with("")},
              {"container web: tmpfs mountPath must be absolute", with("a")},
              {"container web: tmpfs mountPath must be clean", with("/a/")},
              {"container web: tmpfs mountPath '/' is not allowed", with("/")},
              {"container web: duplicate mountPath /a",
               [](Request& r) {
                 web(r).volume_mounts = {{"data", "/a", false}};
                 web(r).tmpfs = {{"/a", ""}};
               }},
              {"container web: tmpfs /a: empty option", with("/a", "ro,,rw")},
              {"container web: tmpfs /a: unsupported option \"RO\"", with("/a", "RO")},
              {"container web: tmpfs /a: unsupported option \"mode\"", with("/a", "mode")},
              {"container web: tmpfs /a: mode requires a value", with("/a", "mode=")},
              {"container web: tmpfs /a: invalid mode \"99\"", with("/a", "mode=99")},
              {"container web: tmpfs /a: size requires a value", with("/a", "size:")},
              {"container web: tmpfs /a: invalid size \"big\"", with("/a", "size=big")},
              {"container web: tmpfs /a: invalid size \"0\"", with("/a", "size=0")}});
}

TEST(SbxletValidate, capabilities_and_security_options) {
  const auto option = [](const char* text) { return [text](Request& r) { web(r).security_opt = {text}; }; };
  expect_all({{"container web: invalid capAdd entry: capability is empty", [](Request& r) { web(r).cap_add = {" "}; }},
              {"container web: invalid capDrop entry: unsupported capability \"net\"",
               [](Request& r) { web(r).cap_drop = {"net"}; }},
              {"container web: securityOpt entry is empty", option(" ")},
              {"container web: securityOpt \"seccomp\" must use key=value or key:value", option("seccomp")},
              {"container web: securityOpt \"no-new-privileges=maybe\" has invalid boolean",
               option("no-new-privileges=maybe")},
              {"container web: securityOpt \"seccomp=\" requires a profile value", option("seccomp=")},
              {"container web: securityOpt \"apparmor:\" requires a profile value", option("apparmor:")},
              {"container web: unsupported securityOpt \"label=x\"", option("label=x")}});
}

TEST(SbxletValidate, ports) {
  const auto with = [](int host, int container, const char* protocol = "tcp") {
    return [=](Request& r) {
      r.ports = {{host, container, model::Protocol::tcp}};
      r.spec.ports = {{host, container, protocol}};
    };
  };
  expect_all({{"invalid port mapping: 0:80", with(0, 80)},
              {"invalid port mapping: 70000:80", with(70000, 80)},
              {"invalid port mapping: 8080:0", with(8080, 0)},
              {"privileged host ports are not allowed: 80", with(80, 80)},
              {"unsupported protocol: sctp", with(8080, 80, "sctp")},
              {"duplicate host port: 8080",
               [](Request& r) { r.ports = {{8080, 80, model::Protocol::tcp}, {8080, 81, model::Protocol::udp}}; }}});
}

TEST(SbxletValidate, readiness_probe) {
  const auto with = [](std::function<void(model::ReadinessProbe&)> spoil) {
    return [spoil](Request& r) {
      model::ReadinessProbe probe{
          .kind = model::ProbeKind::http, .port = 80, .path = "/", .initial_delay_seconds = 1, .protocol_text = "http"};
      spoil(probe);
      r.spec.readiness_probe = probe;
    };
  };
  using Probe = model::ReadinessProbe;
  expect_all({{"readinessProbe.protocol is required", with([](Probe& p) { p.protocol_text = ""; })},
              {"readinessProbe.protocol must be tcp or http", with([](Probe& p) { p.protocol_text = "grpc"; })},
              {"readinessProbe.port must be between 1 and 65535", with([](Probe& p) { p.port = 0; })},
              {"readinessProbe.path is required when protocol is http", with([](Probe& p) { p.path = ""; })},
              {"readinessProbe.path must start with '/' when protocol is http", with([](Probe& p) { p.path = "x"; })},
              {"readinessProbe.initialDelaySeconds must be >= 1", with([](Probe& p) { p.initial_delay_seconds = 0; })},
              {"readinessProbe.periodSeconds must be >= 1", with([](Probe& p) { p.period_seconds = 0; })},
              {"readinessProbe.timeoutSeconds must be >= 1", with([](Probe& p) { p.timeout_seconds = -1; })},
              {"readinessProbe.successThreshold must be >= 1", with([](Probe& p) { p.success_threshold = 0; })},
              {"readinessProbe.failureThreshold must be >= 1", with([](Probe& p) { p.failure_threshold = 0; })}});
}

TEST(SbxletValidate, egress_policy) {
  expect_all({
      {"egressPolicy.allowCIDRs needs egressPolicy.mode allow_list",
       [](Request& r) { r.spec.egress.allow_cidrs = {"203.0.113.0/24"}; }},
      {"egressPolicy.allowCIDRs[0] \"203.0.113.0/24:0\": ports must be between 1 and 65535",
       [](Request& r) {
         r.spec.egress.mode = model::EgressMode::allow_list;
         r.spec.egress.allow_cidrs = {"203.0.113.0/24:0"};
       }},
      {"egressPolicy.bandwidthBitsPerSecond must be 0 (unlimited) or at least 64000",
       [](Request& r) { r.spec.egress.bandwidth_bits_per_second = -1; }},
  });
}

TEST(SbxletValidate, the_first_failure_in_the_originals_order_wins) {
  Request request;
  EXPECT_EQ(validate_create(request).error().message(), "id is required");
  request.id = SandboxId("a");
  request.spec.volumes = {{"", {}}};
  EXPECT_EQ(validate_create(request).error().message(), "at least one container is required");
  request.spec.containers.emplace_back();
  EXPECT_EQ(validate_create(request).error().message(), "volume name is required");
}

TEST(SbxletValidate, quantities_are_checked_for_admission) {
  const auto message = [](const char* cpu, const char* memory, const char* storage) {
    Request request = valid();
    web(request).resources.limit_cpu_milli.text = cpu;
    web(request).resources.limit_memory_bytes.text = memory;
    web(request).resources.ephemeral_storage_bytes.text = storage;
    const auto result = validate_resources(request);
    return result ? std::string() : result.error().message();
  };
  EXPECT_EQ(message("200m", "1Mi", ""), "");
  EXPECT_EQ(message(" ", "1Mi", ""), "container web resource parse failed: cpu is required");
  EXPECT_EQ(message("x", "1Mi", ""), "container web resource parse failed: invalid cpu: x");
  EXPECT_EQ(message("0", "1Mi", ""), "container web resource parse failed: invalid cpu: 0");
  EXPECT_EQ(message("1", "", ""), "container web resource parse failed: memory is required");
  EXPECT_EQ(message("1", "-5", ""), "container web resource parse failed: invalid memory: -5");
  EXPECT_EQ(message("1", "1Mi", "y"), "container web resource parse failed: invalid ephemeralStorage: y");
}

TEST(TmpfsOptions, defaults_and_flags) {
  EXPECT_EQ(parse_tmpfs_options("").value(), TmpfsOptions{});
  const auto options = parse_tmpfs_options("ro, suid,dev,noexec,MODE:0755").value();
  EXPECT_TRUE(options.read_only && options.noexec);
  EXPECT_FALSE(options.nosuid || options.nodev);
  EXPECT_EQ(options.mode, "0755");
}

TEST(TmpfsOptions, sizes_have_their_own_units) {
  const auto bytes = [](const char* size) {
    return parse_tmpfs_options(std::string("size=") + size).value().size_bytes;
  };
  EXPECT_EQ(bytes("64m"), 64'000'000);
  EXPECT_EQ(bytes("64M"), 64'000'000);
  EXPECT_EQ(bytes("64Mi"), 64 << 20);
  EXPECT_EQ(bytes("64mib"), 64 << 20);
  EXPECT_EQ(bytes("2KB"), 2000);
  EXPECT_EQ(bytes("7b"), 7);
  EXPECT_EQ(bytes("1024"), 1024);
  EXPECT_EQ(bytes("1.5Gi"), 1'610'612'736);
  EXPECT_FALSE(parse_tmpfs_options("size=9000000000t"));
}

}  // namespace
}  // namespace sandboxd::codec::sbxlet
