// JSON of commands and files between a node and whoever calls it: the control plane passes the same routes through.
// Below /v1/sandboxes/{id}:
//
//   POST   /commands                      CommandSpec -> 201 {"command": Command}; ?wait=true: 200 when it ended
//   GET    /commands                      {"items": [Command]}, by start
//   GET    /commands/{command}            {"command": Command}; ?wait_ms=N: when it ended, or after N ms
//   DELETE /commands/{command}            204; 409 while it runs
//   POST   /commands/{command}/signal     {"signal": 15, "group": true, "wait_ms": 0} -> {"command": Command}
//   POST   /commands/{command}/resize     {"rows": 24, "columns": 80} -> 204
//   GET    /commands/{command}/output     {"stdout", "stderr", "stdout_begin", "stderr_begin"}; bytes that are no UTF-8
//             or hold NULs come in "stdout_base64" and "stderr_base64" instead
//   GET    /commands/{command}/output?stream=true[&stdout_from=N&stderr_from=N]
//             application/x-ndjson, a line each: {"stream": "stdout", "position": 0, "data": "..."} ("data_base64"), at
//             the end {"command": Command}, or {"error": "...", "code": "..."}; whoever accepts
//             application/vnd.sandboxd.output gets the same as frames of raw bytes (output_frames.hpp)
//   POST   /commands/{command}/stdin      raw bytes -> 204 when taken; ?eof=true closes it after them
//   GET    /commands/{command}/attach     WebSocket; binary messages of one stream byte and payload: 0 stdin (empty:
//             end), 1 stdout, 2 stderr, 3 JSON: {"resize": {...}} in, {"command": Command} at the end, out
//   POST   /exec                          CommandSpec -> 200 {"command": Command, "stdout", "stderr", ...}: runs it to
//             its end with at most keep_bytes of each stream, and forgets it; ends it when the client goes away;
//             "input" or "input_base64" is its stdin
//
//   GET    /files?path=P[&offset=N&length=N]         raw bytes; X-File-Mode, X-File-Size
//   PUT    /files?path=P[&mode=0644&parents=false]   raw bytes -> {"file": FileInfo}
//   DELETE /files?path=P[&recursive=true]            204, also when there is nothing
//   GET    /files/stat?path=P                        {"file": FileInfo}
//   GET    /files/list?path=P[&depth=1]              {"items": [FileInfo]}
//   GET    /files/watch?path=P[&recursive=false]     application/x-ndjson, a line each: {"change": "watching"} once it
//   is
//             in force, then {"change": "created", "path": "below"} (written, removed, renamed, attributes; overflow:
//             events are missing), at the end {"error": "...", "code": "..."}
//   POST   /files/mkdir?path=P[&mode=0755]           {"file": FileInfo}, with its parents
//   POST   /files/rename?path=P&to=Q                 {"file": FileInfo}
//   GET    /files/archive?path=P                     application/x-tar
//   PUT    /files/archive?path=P                     a tar archive, unpacked there -> {"file": FileInfo}
//   GET    /listening                                {"items": [{"protocol", "address", "port", "pid"}]}
//   GET    /processes                                {"items": [...]}
//
// All but the commands take ?container= and ?user=. Names are lower case with underscores; times are RFC 3339.
#pragma once

#include "base/result.hpp"
#include "codec/json.hpp"
#include "model/command.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sandboxd::codec::guest {

// {"argv": [...], "id", "container", "env": {}, "cwd", "user", "stdin": false, "terminal": {"rows", "columns"},
//  "wait_for_reader": false, "keep_bytes", "timeout_ms", "labels": {}}. Errors: invalid_argument naming the member.
[[nodiscard]] Result<model::CommandSpec> decode_spec(std::string_view body);
[[nodiscard]] std::string encode_spec(const model::CommandSpec& spec);

// The same, and what it reads on its stdin: {"input": "text"}, or {"input_base64": "..."} for any bytes.
struct ExecRequest {
  model::CommandSpec spec;
  std::optional<std::string> input;  // then spec.has_stdin is true
};
[[nodiscard]] Result<ExecRequest> decode_exec(std::string_view body);
[[nodiscard]] Result<model::TerminalSize> decode_size(std::string_view body);
struct SignalRequest {
  int number = 0;
  bool group = true;
  Duration wait{};
};
[[nodiscard]] Result<SignalRequest> decode_signal(std::string_view body);

// {"id", "sandbox_id", "container", "argv", "cwd", "user", "terminal", "labels", "started_at", "finished_at",
//  "exit_code", "signal", "timed_out", "stdout_bytes", "stderr_bytes"}.
[[nodiscard]] json::object command_object(const model::Command& command);
[[nodiscard]] Result<model::Command> decode_command(std::string_view body);                // {"command": ...}
[[nodiscard]] Result<std::vector<model::Command>> decode_commands(std::string_view body);  // {"items": [...]}

// As "path", or "path_base64" where it is not UTF-8.
void put_path(json::object& out, const std::string& path);

void put_output(json::object& out, const model::CommandOutput& output);
[[nodiscard]] Result<model::CommandOutput> decode_output(std::string_view body);

// A line of the output stream, without its newline.
[[nodiscard]] std::string encode_piece(const model::OutputPiece& piece);
// An error line is returned as the error it tells.
[[nodiscard]] Result<std::variant<model::OutputPiece, model::Command>> decode_line(std::string_view line);

[[nodiscard]] json::object file_object(const model::FileInfo& file);
[[nodiscard]] Result<model::FileInfo> decode_file(std::string_view body);                // {"file": ...}
[[nodiscard]] Result<std::vector<model::FileInfo>> decode_files(std::string_view body);  // {"items": [...]}

}  // namespace sandboxd::codec::guest
