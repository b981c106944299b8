#include "codec/guest_wire.hpp"

#include "codec/base64.hpp"
#include "codec/json_bytes.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

namespace sandboxd::codec::guest {
namespace {

constexpr std::size_t kIdLengthMax = 64;
constexpr std::size_t kLabelsMax = 16;
constexpr std::size_t kLabelLengthMax = 256;
constexpr std::int64_t kKeepBytesMax = 16 << 20;
constexpr std::int64_t kTimeoutMax = 366LL * 24 * 3600 * 1000;  // milliseconds

struct KindName {
  model::FileKind kind;
  std::string_view name;
};
constexpr std::array kKinds{KindName{model::FileKind::file, "file"}, KindName{model::FileKind::directory, "directory"},
                            KindName{model::FileKind::link, "link"}, KindName{model::FileKind::other, "other"}};

std::string_view to_text(model::FileKind kind) {
  for (const KindName& known : kKinds) {
    if (known.kind == kind) return known.name;
  }
  return "other";
}

std::optional<model::FileKind> parse_kind(std::string_view text) {
  for (const KindName& known : kKinds) {
    if (known.name == text) return known.kind;
  }
  return std::nullopt;
}

Error wrong(std::string message) { return {ErrorCode::invalid_argument, std::move(message)}; }

bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

bool is_id(std::string_view text) {
  return text.size() <= kIdLengthMax && std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
         });
}

// A NUL would be six characters in a text.
bool is_text(std::string_view bytes) { return !has_nul(bytes) && is_valid_utf8(bytes); }

// Bytes that are no text go under another name, so that nobody takes their digits for what was written.
void put_bytes(json::object& out, std::string_view name, const std::string& bytes) {
  if (is_text(bytes)) {
    out[name] = bytes;
  } else {
    out[std::string(name) + "_base64"] = encode_base64(bytes);
  }
}

void read_bytes(const Reader& in, const char* name, const char* name_base64, std::string& out) {
  in.read(name, out);
  in.read_as(name_base64, out, decode_base64);
}

void put_time(json::object& out, std::string_view name, const std::optional<WallTime>& at) {
  if (at) out[name] = format_rfc3339(*at);
}

void read_time(const Reader& in, const char* name, std::optional<WallTime>& out) {
  in.read_as(name, out, parse_rfc3339);
}

void read_count(const Reader& in, const char* name, std::uint64_t& out) {
  std::int64_t number = 0;
  in.read(name, number);
  out = static_cast<std::uint64_t>(std::max<std::int64_t>(number, 0));
}

json::value count(std::uint64_t number) {
  return static_cast<std::int64_t>(std::min<std::uint64_t>(number, INT64_MAX));
}

Result<void> check_env(const std::map<std::string, std::string>& env) {
  for (const auto& [name, value] : env) {
    if (name.empty() || name.find('=') != std::string::npos || has_nul(name) || has_nul(value))
      return wrong("env: \"" + name + "\" cannot be the name of a variable, or its value has a NUL byte");
  }
  return {};
}

Result<void> check_spec(const model::CommandSpec& spec) {
  if (spec.argv.empty() || spec.argv.front().empty()) return wrong("argv: at least a program is needed");
  if (std::ranges::any_of(spec.argv, has_nul)) return wrong("argv: an argument has a NUL byte");
  if (!is_id(spec.id)) return wrong("id: 1 to 64 of letters, digits, '_' and '-', not \"" + spec.id + "\"");
  if (has_nul(spec.cwd) || has_nul(spec.user)) return wrong("cwd and user: no NUL bytes");
  SBX_CHECK(check_env(spec.env));
  if (spec.keep_bytes < 0 || spec.keep_bytes > kKeepBytesMax)
    return wrong("keep_bytes: 0 to " + std::to_string(kKeepBytesMax) + ", not " + std::to_string(spec.keep_bytes));
  const bool has_size = !spec.terminal || (spec.terminal->rows > 0 && spec.terminal->columns > 0);
  if (!has_size) return wrong("terminal: rows and columns are 1 to 65535");
  if (spec.labels.size() > kLabelsMax) return wrong("labels: more than " + std::to_string(kLabelsMax));
  for (const auto& [name, value] : spec.labels) {
    if (name.size() > kLabelLengthMax || value.size() > kLabelLengthMax)
      return wrong("labels: a name or value has more than " + std::to_string(kLabelLengthMax) + " bytes");
  }
  return {};
}

void read_size(const Reader& in, model::TerminalSize& out) {
  const auto number = [&in](const char* name, std::uint16_t& into) {
    std::int64_t value = into;
    in.read(name, value);
    into = value >= 1 && value <= UINT16_MAX ? static_cast<std::uint16_t>(value) : std::uint16_t{0};
  };
  number("rows", out.rows);
  number("columns", out.columns);
}

void read_command(const Reader& in, model::Command& out) {
  in.require("id", out.id);
  std::string sandbox;
  in.read("sandbox_id", sandbox);
  out.sandbox = SandboxId(sandbox);
  in.read("container", out.container);
  in.read("argv", out.argv);
  in.read("cwd", out.cwd);
  in.read("user", out.user);
  in.read("terminal", out.terminal);
  in.read("labels", out.labels);
  std::optional<WallTime> started;
  read_time(in, "started_at", started);
  out.started_at = started.value_or(WallTime{});
  read_time(in, "finished_at", out.finished_at);
  in.read("exit_code", out.exit_code);
  in.read("signal", out.signal);
  in.read("timed_out", out.timed_out);
  in.read("reason", out.reason);
  read_count(in, "stdout_bytes", out.stdout_bytes);
  read_count(in, "stderr_bytes", out.stderr_bytes);
}

void read_file(const Reader& in, model::FileInfo& out) {
  read_bytes(in, "path", "path_base64", out.path);
  in.read_as("kind", out.kind, parse_kind);
  in.read("mode", out.mode);
  read_count(in, "size", out.size);
  in.read("uid", out.uid);
  in.read("gid", out.gid);
  in.read("owner", out.owner);
  in.read("group", out.group);
  read_count(in, "links", out.links);
  std::optional<WallTime> modified;
  read_time(in, "modified_at", modified);
  out.modified_at = modified.value_or(WallTime{});
  read_bytes(in, "target", "target_base64", out.target);
}

void read_output(const Reader& in, model::CommandOutput& out) {
  read_bytes(in, "stdout", "stdout_base64", out.stdout_bytes);
  read_bytes(in, "stderr", "stderr_base64", out.stderr_bytes);
  read_count(in, "stdout_begin", out.stdout_begin);
  read_count(in, "stderr_begin", out.stderr_begin);
}

// What a node says is a peer's word, not a caller's.
constexpr ParseOptions kFromNode{.code = ErrorCode::protocol_error};

template <class T, class Read>
Result<T> decode_member(std::string_view body, const char* name, Read read) {
  SBX_TRY(value, read_json(body, kFromNode));
  ReadErrors errors({.code = ErrorCode::protocol_error});
  const Reader in(value, errors);
  T out;
  if (!in.has(name)) return Error(ErrorCode::protocol_error, std::string("no member \"") + name + "\"");
  in.object(name, [&](const Reader& member) { read(member, out); });
  SBX_CHECK(errors.status());
  return out;
}

template <class T, class Read>
Result<std::vector<T>> decode_items(std::string_view body, Read read) {
  SBX_TRY(value, read_json(body, kFromNode));
  ReadErrors errors({.code = ErrorCode::protocol_error});
  const Reader in(value, errors);
  std::vector<T> out;
  in.each("items", [&](const Reader& item) { read(item, out.emplace_back()); });
  SBX_CHECK(errors.status());
  return out;
}

}  // namespace

Result<model::CommandSpec> decode_spec(std::string_view body) {
  SBX_TRY(value, read_json(body));
  ReadErrors errors;
  const Reader in(value, errors);
  model::CommandSpec spec;
  in.read("id", spec.id);
  in.read("container", spec.container);
  in.require("argv", spec.argv);
  in.read("env", spec.env);
  in.read("cwd", spec.cwd);
  in.read("user", spec.user);
  in.read("stdin", spec.has_stdin);
  in.object("terminal", [&spec](const Reader& terminal) { read_size(terminal, spec.terminal.emplace()); });
  in.read("wait_for_reader", spec.wait_for_reader);
  in.read("keep_bytes", spec.keep_bytes);
  std::int64_t timeout_ms = 0;
  in.read("timeout_ms", timeout_ms);
  in.read("labels", spec.labels);
  SBX_CHECK(errors.status());
  if (timeout_ms < 0 || timeout_ms > kTimeoutMax)
    return wrong("timeout_ms: 0 to " + std::to_string(kTimeoutMax) + ", not " + std::to_string(timeout_ms));
  spec.timeout = std::chrono::milliseconds(timeout_ms);
  SBX_CHECK(check_spec(spec));
  return spec;
}

std::string encode_spec(const model::CommandSpec& spec) {
  json::object out;
  out["argv"] = to_array(spec.argv);
  put_if(out, "id", spec.id);
  put_if(out, "container", spec.container);
  put_if(out, "env", spec.env);
  put_if(out, "cwd", spec.cwd);
  put_if(out, "user", spec.user);
  put_if_true(out, "stdin", spec.has_stdin);
  if (spec.terminal) out["terminal"] = {{"rows", spec.terminal->rows}, {"columns", spec.terminal->columns}};
  put_if_true(out, "wait_for_reader", spec.wait_for_reader);
  out["keep_bytes"] = spec.keep_bytes;
  if (spec.timeout.count() > 0)
    out["timeout_ms"] = std::chrono::duration_cast<std::chrono::milliseconds>(spec.timeout).count();
  put_if(out, "labels", spec.labels);
  return write_json(out);
}

Result<model::TerminalSize> decode_size(std::string_view body) {
  SBX_TRY(value, read_json(body));
  ReadErrors errors;
  model::TerminalSize size{0, 0};
  read_size(Reader(value, errors), size);
  SBX_CHECK(errors.status());
  if (size.rows == 0 || size.columns == 0) return wrong("rows and columns are 1 to 65535");
  return size;
}

Result<SignalRequest> decode_signal(std::string_view body) {
  SBX_TRY(value, read_json(body));
  ReadErrors errors;
  const Reader in(value, errors);
  SignalRequest request;
  in.read("signal", request.number);
  in.read("group", request.group);
  std::int64_t wait_ms = 0;
  in.read("wait_ms", wait_ms);
  SBX_CHECK(errors.status());
  if (request.number < 1 || request.number > 64) return wrong("signal: 1 to 64, not " + std::to_string(request.number));
  request.wait = std::chrono::milliseconds(std::clamp<std::int64_t>(wait_ms, 0, 3600 * 1000));
  return request;
}

json::object command_object(const model::Command& command) {
  json::object out;
  out["id"] = command.id;
  out["sandbox_id"] = command.sandbox.str();
  out["container"] = command.container;
  out["argv"] = to_array(command.argv);
  out["cwd"] = command.cwd;
  out["user"] = command.user;
  out["terminal"] = command.terminal;
  out["labels"] = to_object(command.labels);
  out["started_at"] = format_rfc3339(command.started_at);
  put_time(out, "finished_at", command.finished_at);
  if (command.exit_code) out["exit_code"] = *command.exit_code;
  out["signal"] = command.signal;
  out["timed_out"] = command.timed_out;
  if (!command.reason.empty()) out["reason"] = command.reason;
  out["stdout_bytes"] = count(command.stdout_bytes);
  out["stderr_bytes"] = count(command.stderr_bytes);
  return out;
}

Result<model::Command> decode_command(std::string_view body) {
  return decode_member<model::Command>(body, "command", read_command);
}

Result<std::vector<model::Command>> decode_commands(std::string_view body) {
  return decode_items<model::Command>(body, read_command);
}

void put_path(json::object& out, const std::string& path) { put_bytes(out, "path", path); }

void put_output(json::object& out, const model::CommandOutput& output) {
  put_bytes(out, "stdout", output.stdout_bytes);
  put_bytes(out, "stderr", output.stderr_bytes);
  out["stdout_begin"] = count(output.stdout_begin);
  out["stderr_begin"] = count(output.stderr_begin);
}

Result<model::CommandOutput> decode_output(std::string_view body) {
  SBX_TRY(value, read_json(body, kFromNode));
  ReadErrors errors({.code = ErrorCode::protocol_error});
  model::CommandOutput output;
  read_output(Reader(value, errors), output);
  SBX_CHECK(errors.status());
  return output;
}

std::string encode_piece(const model::OutputPiece& piece) {
  std::string out;
  out.reserve(piece.bytes.size() + piece.bytes.size() / 2 + 80);
  out += piece.is_stderr ? R"({"stream":"stderr","position":)" : R"({"stream":"stdout","position":)";
  append_json(count(piece.position), out);
  if (is_text(piece.bytes)) {
    out += R"(,"data":)";
    append_json_string(piece.bytes, out);
  } else {
    out += R"(,"data_base64":")";
    out += encode_base64(piece.bytes);
    out += '"';
  }
  out += '}';
  return out;
}

Result<std::variant<model::OutputPiece, model::Command>> decode_line(std::string_view line) {
  using Line = std::variant<model::OutputPiece, model::Command>;
  SBX_TRY(value, read_json(line, kFromNode));
  ReadErrors errors({.code = ErrorCode::protocol_error});
  const Reader in(value, errors);
  if (in.has("command")) {
    model::Command command;
    in.object("command", [&command](const Reader& member) { read_command(member, command); });
    SBX_CHECK(errors.status());
    return Line(std::move(command));
  }
  if (in.has("error")) {
    std::string text;
    std::string code;
    in.read("error", text);
    in.read("code", code);
    return Error(parse_error_code(code).value_or(ErrorCode::protocol_error), std::move(text));
  }
  model::OutputPiece piece;
  std::string stream;
  in.require("stream", stream);
  piece.is_stderr = stream == "stderr";
  read_count(in, "position", piece.position);
  read_bytes(in, "data", "data_base64", piece.bytes);
  SBX_CHECK(errors.status());
  return Line(std::move(piece));
}

json::object file_object(const model::FileInfo& file) {
  json::object out;
  put_bytes(out, "path", file.path);
  out["kind"] = to_text(file.kind);
  out["mode"] = file.mode;
  out["size"] = count(file.size);
  out["uid"] = file.uid;
  out["gid"] = file.gid;
  out["owner"] = file.owner;
  out["group"] = file.group;
  out["links"] = count(file.links);
  out["modified_at"] = format_rfc3339(file.modified_at);
  if (!file.target.empty()) put_bytes(out, "target", file.target);
  return out;
}

Result<model::FileInfo> decode_file(std::string_view body) {
  return decode_member<model::FileInfo>(body, "file", read_file);
}

Result<std::vector<model::FileInfo>> decode_files(std::string_view body) {
  return decode_items<model::FileInfo>(body, read_file);
}

}  // namespace sandboxd::codec::guest
