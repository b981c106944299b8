#include "containerd/exec_spec.hpp"

#include "containerd/runtime_text.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <initializer_list>

namespace sandboxd::containerd {

namespace json = boost::json;

namespace {

void set_env(json::array& env, const std::string& name, const std::string& value) {
  const std::string start = name + "=";
  const auto same = std::find_if(env.begin(), env.end(), [&](const json::value& one) {
    return one.is_string() && std::string_view(one.get_string()).starts_with(start);
  });
  const std::string entry = start + value;
  if (same == env.end()) {
    env.emplace_back(entry);
  } else {
    *same = entry;
  }
}

bool has_env(const json::array& env, std::string_view name) {
  return std::any_of(env.begin(), env.end(), [&](const json::value& one) {
    return one.is_string() && std::string_view(one.get_string()).starts_with(std::string(name) + "=");
  });
}

// gVisor gives a user what the sets say, whoever it is: a user other than root gets nothing of the kind.
void set_capabilities(json::object& process, bool is_root) {
  if (!process["capabilities"].is_object()) return;
  json::object& sets = process["capabilities"].as_object();
  const json::value bounding = sets.contains("bounding") ? sets["bounding"] : json::value(json::array());
  for (const std::string_view set : {"effective", "permitted"}) sets[set] = is_root ? bounding : json::array();
}

void set_user(json::object& process, json::array& env, const ResolvedUser& user) {
  json::object out;
  out["uid"] = user.uid;
  out["gid"] = user.gid;
  if (!user.additional_gids.empty()) {
    json::array gids;
    for (const std::uint32_t gid : user.additional_gids) gids.emplace_back(gid);
    out["additionalGids"] = std::move(gids);
  }
  process["user"] = std::move(out);
  set_env(env, "HOME", !user.home.empty() ? user.home : user.uid == 0 ? "/root" : "/");
  set_capabilities(process, user.uid == 0);
}

std::string directory_of(const json::object& process, const std::string& asked) {
  const json::value* const at = process.if_contains("cwd");
  std::string own = at != nullptr && at->is_string() ? std::string(at->get_string()) : "/";
  if (asked.empty()) return own;
  if (asked.starts_with('/')) return asked;
  return (own == "/" ? "/" : own + "/") + asked;
}

}  // namespace

Result<std::string> make_exec_process(std::string_view container_spec, const ports::RuntimeExecRequest& request,
                                      const std::optional<ResolvedUser>& user) {
  boost::system::error_code failure;
  json::value spec = json::parse(container_spec, failure);
  json::value* const found = failure || !spec.is_object() ? nullptr : spec.as_object().if_contains("process");
  if (found == nullptr || !found->is_object())
    return Error(ErrorCode::runtime_failed, "container " + request.key + " has no readable spec");
  json::object process = found->as_object();
  json::array args;
  for (const std::string& one : request.argv) args.emplace_back(one);
  process["args"] = std::move(args);
  process["cwd"] = directory_of(process, request.cwd);
  json::array env;
  if (const json::value* own = process.if_contains("env"); own != nullptr && own->is_array()) env = own->as_array();
  if (user) set_user(process, env, *user);
  for (const auto& [name, value] : request.env) set_env(env, name, value);
  process["terminal"] = request.terminal.has_value();
  if (request.terminal) {
    if (!has_env(env, "TERM")) set_env(env, "TERM", "xterm-256color");
    json::object size;
    size["height"] = request.terminal->rows;
    size["width"] = request.terminal->columns;
    process["consoleSize"] = std::move(size);
  }
  process["env"] = std::move(env);
  return json::serialize(process);
}

Error exec_error(const Error& error) {
  const std::string text = clean_runtime_text(error.message());
  const auto says = [&](std::initializer_list<std::string_view> signs) {
    return std::any_of(signs.begin(), signs.end(),
                       [&](std::string_view sign) { return text.find(sign) != std::string::npos; });
  };
  if (error.code() == ErrorCode::unavailable || error.code() == ErrorCode::deadline_exceeded) return error;
  if (says({"executable file not found", "no such file or directory", "not a directory"}))
    return {ErrorCode::not_found, text};
  if (says({"permission denied", "exec format error", "is a directory"})) return {ErrorCode::permission_denied, text};
  if (error.code() == ErrorCode::not_found || says({"container not running", "cannot exec in a stopped"}))
    return {ErrorCode::conflict, "the container does not run: " + text};
  return {ErrorCode::runtime_failed, text};
}

}  // namespace sandboxd::containerd
