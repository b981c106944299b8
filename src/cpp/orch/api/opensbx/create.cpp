#include "orch/api/opensbx/create.hpp"

#include "orch/api/opensbx/errors.hpp"
#include "orch/api/opensbx/names.hpp"
#include "orch/api/opensbx/route_tables.hpp"
#include "sched/snapshot.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace sandboxd::orch::opensbx {
namespace {

constexpr std::int64_t kMebi = 1 << 20;
constexpr std::int64_t kTimeoutDefault = 900;
constexpr std::int64_t kMemoryMbDefault = 1024;
constexpr double kCpusDefault = 1;
constexpr int kDrawsMax = 40;
constexpr Duration kStartLimit = std::chrono::seconds(60);
constexpr Duration kUndoLimit = std::chrono::seconds(30);
constexpr const char* kNotLocal = "image not found locally, use POST /v1/images/pull to download it first";

std::int64_t share(std::int64_t limit, std::int64_t percent) {
  return std::max<std::int64_t>(1, limit * percent / 100);
}

model::ContainerResources resources_of(const CreateBody& body, std::int64_t percent) {
  const std::int64_t memory_mb = body.memory_mb == 0 ? kMemoryMbDefault : body.memory_mb;
  const double cpus = body.cpus == 0 ? kCpusDefault : body.cpus;
  const std::int64_t cpu_milli = std::max<std::int64_t>(1, std::llround(cpus * 1000));
  model::ContainerResources out;
  out.limit_cpu_milli = {cpu_milli, std::to_string(cpu_milli) + "m"};
  out.limit_memory_bytes = {memory_mb * kMebi, std::to_string(memory_mb) + "Mi"};
  out.request_cpu_milli = share(cpu_milli, percent);
  out.request_memory_bytes = share(memory_mb * kMebi, percent);
  return out;
}

// Draws until an id and a name are free.
Task<Result<SandboxRef>> create_named(const Context& context, CreateSandbox create) {
  for (int attempt = 0;; ++attempt) {
    Random random(context.entropy());
    create.id = SandboxId(draw_id(context.entropy));
    create.name = draw_name(random, attempt);
    auto created = co_await context.sandboxes.create(create);
    const bool is_taken = !created && created.error().code() == ErrorCode::already_exists;
    if (!is_taken || attempt == kDrawsMax) co_return created;
  }
}

// Nothing stays of a sandbox that did not start.
Task<void> undo(const Context& context, SandboxId id) {
  const auto removed = co_await context.sandboxes.remove(id);
  if (!removed) co_return;
  const auto gone = co_await context.sandboxes.wait_gone(id, kUndoLimit);
  static_cast<void>(gone);  // the deletion stands, and goes on
}

// Nothing is pulled for a sandbox: it must be where its image is.
void limit(model::SandboxSpec& spec, const std::vector<NodeId>& nodes) {
  std::string text;
  for (const NodeId& node : nodes) text += (text.empty() ? "" : "/") + node.str();
  if (!text.empty()) spec.annotations[sched::kNodesAnnotation] = text;
}

http::Response not_started(const Error& error) {
  std::string text = error.message();
  for (const std::string& reason : error.reasons()) text += (reason == error.reasons().front() ? ": " : "; ") + reason;
  return error_response(500, text);
}

}  // namespace

model::SandboxSpec make_spec(const CreateBody& body, std::int64_t request_percent) {
  model::SandboxSpec spec;
  model::Container& main = spec.containers.emplace_back();
  main.name = "main";
  main.image = body.image;
  main.command_kind = model::CommandKind::hold;
  main.resources = resources_of(body, request_percent);
  for (const std::string& entry : body.env) {
    // A bare name asks Docker to leave the variable out.
    if (entry.find('=') != std::string::npos) main.env.push_back(entry);
  }
  spec.ports = published_ports(normal_ports(body.ports));
  if (!spec.ports.empty()) {
    const model::PortSpec& first = spec.ports.front();
    spec.annotations[kMainPort] = port_text(first.container_port, first.protocol());
  }
  spec.egress.mode = model::EgressMode::public_internet;
  spec.ttl_seconds = body.timeout == 0 ? kTimeoutDefault : body.timeout;
  spec.on_expiry = model::OnExpiry::stop;
  return spec;
}

std::string draw_id(const std::function<std::uint64_t()>& entropy) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string id;
  while (id.size() < 64) {
    std::uint64_t bits = entropy();
    for (int i = 0; i < 16; ++i, bits >>= 4) id += kHex[bits & 15];
  }
  return id;
}

Task<http::Response> create_sandbox(const Context& context, http::Request request) {
  auto body = decode_create(request.body);
  if (!body) co_return bad_request(body.error());
  if (auto valid = validate_create(*body); !valid) co_return bad_request(valid.error());
  const auto nodes = co_await context.images.limited_to(body->image);
  if (!nodes && nodes.error().code() == ErrorCode::not_found) co_return error_response(400, kNotLocal);
  if (!nodes) co_return failed(nodes.error());
  CreateSandbox create;
  create.spec = make_spec(*body, context.settings.request_percent);
  limit(create.spec, *nodes);
  create.owner = kOwner;
  create.dialect = kDialect;
  auto created = co_await create_named(context, std::move(create));
  if (!created) co_return failed(created.error());
  const SandboxId id = (*created)->id;
  auto running = co_await context.sandboxes.wait_running(id, kStartLimit);
  if (!running) {
    co_await undo(context, id);
    co_return not_started(running.error());
  }
  co_return ok(codec::write_json(created_object(**running, context.settings.urls)), 201);
}

}  // namespace sandboxd::orch::opensbx
