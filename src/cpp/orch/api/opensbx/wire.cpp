#include "orch/api/opensbx/wire.hpp"

#include "orch/api/opensbx/go_errors.hpp"
#include "orch/api/opensbx/times.hpp"
#include "orch/api/opensbx/url.hpp"

#include <set>
#include <utility>

namespace sandboxd::orch::opensbx {
namespace {

namespace json = codec::json;
using model::Phase;

constexpr std::int64_t kMebi = 1 << 20;
constexpr const char* kNever = "0001-01-01T00:00:00Z";

// Reads `body` as a struct called `type`.
template <class Visit>
Result<void> read_body(std::string_view body, const char* type, Visit visit) {
  SBX_TRY(value, parse_go_json(body));
  GoErrors errors;
  visit(GoReader(value, errors, type));
  return errors.status();
}

Result<std::int64_t> decode_number(std::string_view body, const char* type, const char* name, const char* field) {
  std::int64_t number = 0;
  SBX_CHECK(read_body(body, type, [&](const GoReader& in) { in.read(name, number); }));
  if (number == 0) return required(type, field);
  return number;
}

void put_expiry(json::object& out, const model::Sandbox& sandbox) {
  const bool is_ending = sandbox.phase == Phase::deleting;
  if (sandbox.expires_at && !is_ending) out["expires_at"] = format_local(*sandbox.expires_at);
}

void put_url(json::object& out, const model::Sandbox& sandbox, const UrlParts& urls) {
  codec::put_if(out, "url", sandbox_url(sandbox.name, urls.base_domain, urls.proxy_address));
}

const std::string& image_of(const model::Sandbox& sandbox) {
  static const std::string kNone;
  return sandbox.spec.containers.empty() ? kNone : sandbox.spec.containers.front().image;
}

json::object resources_object(const model::SandboxSpec& spec) {
  std::int64_t memory = 0;
  std::int64_t cpu_milli = 0;
  for (const model::Container& container : spec.containers) {
    memory += container.resources.limit_memory_bytes.value;
    cpu_milli += container.resources.limit_cpu_milli.value;
  }
  json::object out;
  out["memory"] = memory / kMebi;
  out["cpus"] = static_cast<double>(cpu_milli) / 1000;
  return out;
}

std::string time_or_never(const std::optional<WallTime>& at) { return at ? format_rfc3339(*at) : kNever; }

}  // namespace

Result<CreateBody> decode_create(std::string_view body) {
  CreateBody out;
  std::optional<std::vector<std::string>> ports;
  std::optional<std::vector<std::string>> env;
  SBX_CHECK(read_body(body, "CreateSandboxRequest", [&](const GoReader& in) {
    in.read("image", out.image);
    in.read("ports", ports);
    in.read("timeout", out.timeout);
    in.object("resources", "ResourceLimits", [&](const GoReader& limits) {
      limits.read_wide("memory", out.memory_mb);
      limits.read("cpus", out.cpus);
    });
    in.read("env", env);
  }));
  out.ports = std::move(ports).value_or(std::vector<std::string>());
  out.env = std::move(env).value_or(std::vector<std::string>());
  return out;
}

Result<ExecBody> decode_exec(std::string_view body) {
  ExecBody out;
  SBX_CHECK(read_body(body, "ExecCommandRequest", [&](const GoReader& in) {
    in.read("command", out.command);
    in.read("args", out.args);
    in.read("cwd", out.cwd);
    in.read("env", out.env);
  }));
  if (out.command.empty()) return required("ExecCommandRequest", "Command");
  return out;
}

Result<std::int64_t> decode_kill(std::string_view body) {
  return decode_number(body, "KillCommandRequest", "signal", "Signal");
}

Result<std::int64_t> decode_renew(std::string_view body) {
  SBX_TRY(timeout, decode_number(body, "RenewExpirationRequest", "timeout", "Timeout"));
  if (timeout < 0) return Error(ErrorCode::invalid_argument, "timeout must be > 0");
  return timeout;
}

Result<std::string> decode_pull(std::string_view body) {
  std::string image;
  SBX_CHECK(read_body(body, "ImagePullRequest", [&](const GoReader& in) { in.read("image", image); }));
  if (image.empty()) return required("ImagePullRequest", "Image");
  return image;
}

Result<std::string> decode_content(std::string_view body, bool is_strict) {
  SBX_TRY(value, parse_go_json(body));
  GoErrors errors;
  std::string content;
  const GoReader in(value, errors, "FileWriteRequest");
  in.read("content", content);
  SBX_CHECK(errors.status());
  if (content.empty() && (is_strict || !in.has("content"))) return required("FileWriteRequest", "Content");
  return content;
}

bool is_live(const model::Sandbox& sandbox) {
  switch (sandbox.phase) {
    case Phase::running:
    case Phase::pausing:
    case Phase::paused:
    case Phase::stopping: return true;
    default: return false;
  }
}

std::string_view state_word(const model::Sandbox& sandbox) {
  switch (sandbox.phase) {
    case Phase::pending:
    case Phase::scheduled:
    case Phase::creating: return "created";
    case Phase::running:
    case Phase::pausing:
    case Phase::stopping: return "running";
    case Phase::paused: return "paused";
    case Phase::stopped: return "exited";
    case Phase::failed: return sandbox.running_since ? "exited" : "dead";
    case Phase::deleting: return "removing";
  }
  return "dead";
}

std::string status_text(const model::Sandbox& sandbox, WallTime now) {
  const std::string_view state = state_word(sandbox);
  const auto since = [&](const std::optional<WallTime>& at) { return human_duration(now - at.value_or(now)); };
  if (state == "running") return "Up " + since(sandbox.running_since);
  if (state == "paused") return "Up " + since(sandbox.running_since) + " (Paused)";
  if (state == "removing") return "Removal In Progress";
  if (state == "created") return "Created";
  if (state == "dead") return "Dead";
  int code = 0;
  for (const model::ContainerStatus& container : sandbox.containers) {
    if (code == 0) code = container.exit_code.value_or(0);
  }
  return "Exited (" + std::to_string(code) + ") " + since(sandbox.ended_at) + " ago";
}

json::array ports_array(const model::Sandbox& sandbox, bool stored) {
  std::set<std::string> texts;
  if (is_live(sandbox)) {
    for (const auto& port : sandbox.ports) texts.insert(port_text(port.container_port, port.protocol));
  }
  if (texts.empty() && stored) {
    for (const auto& port : sandbox.spec.ports) texts.insert(port_text(port.container_port, port.protocol()));
  }
  json::array out;
  for (const std::string& text : texts) out.emplace_back(text);
  return out;
}

json::object created_object(const model::Sandbox& sandbox, const UrlParts& urls) {
  json::object out;
  out["id"] = sandbox.id.str();
  out["name"] = sandbox.name;
  out["ports"] = ports_array(sandbox, false);
  put_url(out, sandbox, urls);
  return out;
}

json::object summary_object(const model::Sandbox& sandbox, const UrlParts& urls, WallTime now) {
  json::object out;
  out.reserve(8);
  out["id"] = sandbox.id.str();
  out["name"] = sandbox.name;
  out["image"] = image_of(sandbox);
  out["status"] = status_text(sandbox, now);
  out["state"] = state_word(sandbox);
  out["ports"] = ports_array(sandbox, true);
  put_expiry(out, sandbox);
  put_url(out, sandbox, urls);
  return out;
}

json::object detail_object(const model::Sandbox& sandbox, const UrlParts& urls) {
  json::object out;
  out.reserve(11);
  out["id"] = sandbox.id.str();
  out["name"] = sandbox.name;
  out["image"] = image_of(sandbox);
  out["status"] = state_word(sandbox);
  out["running"] = is_live(sandbox);
  out["ports"] = ports_array(sandbox, false);
  out["resources"] = resources_object(sandbox.spec);
  out["started_at"] = time_or_never(sandbox.running_since);
  out["finished_at"] = time_or_never(sandbox.ended_at);
  put_expiry(out, sandbox);
  put_url(out, sandbox, urls);
  return out;
}

json::object network_object(const model::Sandbox& sandbox) {
  std::map<std::string, std::string> live;
  if (is_live(sandbox)) {
    for (const auto& port : sandbox.ports) {
      live.emplace(port_text(port.container_port, port.protocol), std::to_string(port.host_port));
    }
  }
  const auto main = sandbox.spec.annotations.find(kMainPort);
  json::object out;
  if (main != sandbox.spec.annotations.end()) {
    out["main_port"] = main->second;
  } else {
    out["main_port"] = live.size() == 1 ? live.begin()->first : "";
  }
  out["ports_map"] = codec::to_object(live);
  return out;
}

json::object started_object(const model::Sandbox& sandbox, std::string_view status) {
  json::object out;
  out["status"] = status;
  out["ports"] = ports_array(sandbox, false);
  put_expiry(out, sandbox);
  return out;
}

json::object command_object(const model::Command& command) {
  json::object out;
  out.reserve(8);
  out["id"] = command.id;
  out["name"] = command.argv.empty() ? "" : command.argv.front();
  json::array args;
  for (std::size_t i = 1; i < command.argv.size(); ++i) args.emplace_back(command.argv[i]);
  if (args.empty() && command.labels.contains(kNullArgs)) {
    out["args"] = nullptr;
  } else {
    out["args"] = std::move(args);
  }
  out["cwd"] = command.cwd;
  out["sandbox_id"] = command.sandbox.str();
  if (command.exit_code) out["exit_code"] = *command.exit_code;
  out["started_at"] = unix_millis(command.started_at);
  if (command.finished_at) out["finished_at"] = unix_millis(*command.finished_at);
  return out;
}

std::string command_body(const model::Command& command) {
  json::object body;
  body["command"] = command_object(command);
  return codec::write_json(body);
}

std::string status_body(std::string_view word) {
  json::object body;
  body["status"] = word;
  return codec::write_json(body);
}

}  // namespace sandboxd::orch::opensbx
