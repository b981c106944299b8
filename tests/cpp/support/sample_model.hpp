// Values of the model in which every field differs from its default, for round trips through codecs and stores.
#pragma once

#include "model/node.hpp"
#include "model/node_sandbox.hpp"
#include "model/sandbox.hpp"
#include "model/spec.hpp"

#include <string>

namespace sandboxd::test {

inline model::SandboxSpec full_spec() {
  model::Container web;
  web.name = "web";
  web.image = "docker.io/library/web:1";
  web.command_kind = model::CommandKind::given;
  web.args = {"/bin/sh", "-c", "echo \"<&>\" \t\xe2\x82\xac", ""};
  web.env = {"A=1", "B="};
  web.work_dir = "/srv";
  web.user = "1000:1000";
  web.cap_add = {"NET_ADMIN"};
  web.cap_drop = {"ALL"};
  web.security_opt = {"seccomp=unconfined"};
  web.read_only = true;
  web.tmpfs = {{"/run", "size=64m,mode=0755"}, {"/cache", ""}};
  web.volume_mounts = {{"data", "/data", true}, {"more", "/more", false}};
  web.resources.request_cpu_milli = 100;
  web.resources.request_memory_bytes = 1 << 20;
  web.resources.limit_cpu_milli = {200, "200m"};
  web.resources.limit_memory_bytes = {256 << 20, "256Mi"};
  web.resources.ephemeral_storage_bytes = {1'000'000'000, "1G"};
  web.resources.pids_max = 64;
  model::Container idle;
  idle.name = "idle";
  idle.image = "busybox";
  idle.command_kind = model::CommandKind::hold;
  model::SandboxSpec spec;
  spec.containers = {web, idle};
  spec.ports = {{10080, 80, "TCP"}, {0, 53, "udp"}};
  spec.volumes = {{"data", {1 << 30, "1Gi"}}, {"more", {512, "512"}}};
  spec.readiness_probe = model::ReadinessProbe{
      .kind = model::ProbeKind::http,
      .port = 80,
      .path = "/ready",
      .initial_delay_seconds = 2,
      .period_seconds = 3,
      .timeout_seconds = 4,
      .success_threshold = 5,
      .failure_threshold = 6,
      .protocol_text = "HTTP",
  };
  spec.egress = {model::EgressMode::allow_list, {"198.51.100.0/24", "203.0.113.7/32"}, 8'000'000};
  spec.ttl_seconds = 3600;
  spec.on_expiry = model::OnExpiry::stop;
  spec.restart_policy = model::RestartPolicy::on_failure;
  spec.node_selector = {{"zone", "a"}};
  spec.labels = {{"team", "red"}, {"empty", ""}};
  spec.annotations = {{"opensbx/kind", "x"}};
  spec.template_id = "python";
  spec.secrets = {"token"};
  spec.runtime = "runc";
  return spec;
}

inline model::Sandbox full_sandbox(const std::string& id = "sbx-1") {
  model::Sandbox s;
  s.id = SandboxId(id);
  s.uid = "0123456789abcdef0123456789abcdef";
  s.name = "name-of-" + id;
  s.owner = "alice";
  s.dialect = "opensbx";
  s.spec = full_spec();
  s.desired = model::Desired::stopped;
  s.phase = model::Phase::stopping;
  s.memory_kept = true;
  s.node = NodeId("node-1");
  s.ip = "10.89.0.7";
  s.ports = {{10080, 80, model::Protocol::tcp}, {10053, 53, model::Protocol::udp}};
  s.containers = {{"web", model::ContainerPhase::stopped, "it ended", "container_exited", 3, 2},
                  {"idle", model::ContainerPhase::running, "", "", std::nullopt}};
  s.external = "sandboxes.example.org";
  s.last_error = "line one\nline two";
  s.reasons = {"node-1: no cpu", "node-2: no memory"};
  s.created_at = {1'700'000'000'123'456'789};
  s.updated_at = {1'700'000'001'000'000'000};
  s.expires_at = WallTime{1'700'000'002'000'000'001};
  s.running_since = WallTime{1'700'000'003'000'000'002};
  s.revision = 42;
  return s;
}

inline model::NodeResources full_resources() {
  model::NodeResources r;
  r.capacity_cpu_milli = 8000;
  r.capacity_memory_bytes = 16LL << 30;
  r.allocatable_cpu_milli = 7200;
  r.allocatable_memory_bytes = 14LL << 30;
  r.used_cpu_milli = 300;
  r.used_memory_bytes = 1LL << 30;
  r.available_cpu_milli = 6900;
  r.available_memory_bytes = 13LL << 30;
  r.max_alloc_percent = 90;
  r.disk_capacity_bytes = 100LL << 30;
  r.disk_free_bytes = 40LL << 30;
  r.updated_at = WallTime{1'700'000'000'500'000'000};
  return r;
}

inline model::Node full_node(const std::string& id = "node-1") {
  model::Node n;
  n.id = NodeId(id);
  n.address = {"192.0.2.10", 8081};
  n.labels = {{"zone", "a"}};
  n.unschedulable = true;
  n.removing = true;
  n.state = model::NodeState::not_ready;
  n.source = "api";
  n.last_error = "connection refused";
  n.boot_id = "boot-7";
  n.success_streak = 3;
  n.failure_streak = 2;
  n.resources = full_resources();
  n.external = "node-1.example.org";
  n.external_id = "external-of-" + id;
  n.external_created_at = WallTime{1'700'000'000'000'000'008};
  n.external_updated_at = WallTime{1'700'000'000'000'000'009};
  n.created_at = {1'700'000'000'000'000'001};
  n.updated_at = {1'700'000'000'000'000'002};
  n.last_heartbeat = WallTime{1'700'000'000'000'000'003};
  n.revision = 7;
  return n;
}

inline model::NodeSandbox full_node_sandbox(const std::string& id = "sbx-1") {
  model::NodeSandbox s;
  s.id = SandboxId(id);
  s.uid = "uid-of-" + id;
  s.spec = full_spec();
  s.ports = {{10080, 80, model::Protocol::tcp}, {10053, 53, model::Protocol::udp}};
  s.phase = model::Phase::failed;
  s.error = "web: exited";
  s.slot = "sbx0-slot-3";
  s.ip = "10.89.0.7";
  s.pod_key = "pod-1";
  s.containers = {{"web", "sbx-1-web", model::ContainerPhase::stopped, "docker.io/library/web:1", "sha256:d1", "exit",
                   "exited", 77, 3},
                  {"idle", "sbx-1-idle", model::ContainerPhase::creating, "", "", "", "", 0, std::nullopt}};
  s.created_at = {1'700'000'000'000'000'004};
  s.updated_at = {1'700'000'000'000'000'005};
  return s;
}

}  // namespace sandboxd::test
