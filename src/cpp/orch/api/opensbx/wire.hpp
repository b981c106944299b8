// The JSON of this dialect: request bodies to values, the model to its objects. Members stand in the original's order.
// Pure.
#pragma once

#include "base/result.hpp"
#include "codec/json.hpp"
#include "model/command.hpp"
#include "model/sandbox.hpp"
#include "orch/api/opensbx/validate.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::orch::opensbx {

// Annotations of sandboxes and labels of commands that are this dialect's.
inline constexpr const char* kMainPort = "opensbx/main_port";
inline constexpr const char* kNullArgs = "opensbx/args";  // "null": the request had none

struct UrlParts {
  std::string base_domain = "localhost";
  std::string proxy_address;
};

// Errors of all: invalid_argument in Go's words. Types only: validate_create() has the rules.
[[nodiscard]] Result<CreateBody> decode_create(std::string_view body);
[[nodiscard]] Result<ExecBody> decode_exec(std::string_view body);
[[nodiscard]] Result<std::int64_t> decode_kill(std::string_view body);
[[nodiscard]] Result<std::int64_t> decode_renew(std::string_view body);
[[nodiscard]] Result<std::string> decode_pull(std::string_view body);
// `is_strict`: an empty content is as if there were none.
[[nodiscard]] Result<std::string> decode_content(std::string_view body, bool is_strict);

// "created", "running", "paused", "exited", "removing" or "dead".
[[nodiscard]] std::string_view state_word(const model::Sandbox& sandbox);
// "Up 3 minutes", "Exited (137) 2 minutes ago", "Up 5 minutes (Paused)", "Created".
[[nodiscard]] std::string status_text(const model::Sandbox& sandbox, WallTime now);
// It has processes, running or frozen.
[[nodiscard]] bool is_live(const model::Sandbox& sandbox);

// Of live bindings, sorted as text; `stored`: else of what it asked for.
[[nodiscard]] codec::json::array ports_array(const model::Sandbox& sandbox, bool stored);
[[nodiscard]] codec::json::object created_object(const model::Sandbox& sandbox, const UrlParts& urls);
[[nodiscard]] codec::json::object summary_object(const model::Sandbox& sandbox, const UrlParts& urls, WallTime now);
[[nodiscard]] codec::json::object detail_object(const model::Sandbox& sandbox, const UrlParts& urls);
[[nodiscard]] codec::json::object network_object(const model::Sandbox& sandbox);
// {"status": ..., "ports": [...], "expires_at": ...}
[[nodiscard]] codec::json::object started_object(const model::Sandbox& sandbox, std::string_view status);

[[nodiscard]] codec::json::object command_object(const model::Command& command);
// {"command": {...}}
[[nodiscard]] std::string command_body(const model::Command& command);

// {"status": word}
[[nodiscard]] std::string status_body(std::string_view word);

}  // namespace sandboxd::orch::opensbx
