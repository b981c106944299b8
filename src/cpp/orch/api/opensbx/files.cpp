// Files of a sandbox, read, written, removed and listed by the agent inside.
#include "orch/api/opensbx/errors.hpp"
#include "orch/api/opensbx/listing.hpp"
#include "orch/api/opensbx/route_tables.hpp"

#include <utility>

namespace sandboxd::orch::opensbx {
namespace {

// Of a file as text in one answer; larger ones go through /api/v1, which streams.
constexpr std::size_t kFileBytesMax = 64 << 20;
// A character may take six bytes as JSON.
constexpr std::size_t kWriteBodyBytesMax = 6 * kFileBytesMax;
constexpr const char* kNoPath = "path query param is required";

http::Response file_failed(const Error& error) {
  return error.code() == ErrorCode::not_found ? error_response(404, "file not found") : failed(error);
}

// What the original's helpers fail with, which it does not look at: all that is wrong with the file itself.
bool is_hidden(const Context& context, const Error& error) {
  switch (error.code()) {
    case ErrorCode::not_found:
    case ErrorCode::permission_denied:
    case ErrorCode::invalid_argument:
    case ErrorCode::resource_exhausted: return context.settings.is_strict;
    default: return false;
  }
}

// An empty file is one, but the original's route takes none; its tool does.
bool needs_content(const Context& context, const http::Request& request) {
  return context.settings.is_strict && !is_tool_call(request);
}

// The sandbox's files, or the answer that says why not.
struct Opened {
  std::optional<http::Response> refusal;
  GuestService::FileRef file;
};

Task<Opened> open(const Context& context, const http::Request& request, std::string path) {
  Opened out;
  auto sandbox = co_await found(context, request);
  if (!sandbox) {
    out.refusal = failed(sandbox.error());
    co_return out;
  }
  out.refusal = refuse_idle(context, **sandbox);
  // The original finds out when it runs its helper.
  if (out.refusal && out.refusal->status == 409 && context.settings.is_strict)
    out.refusal = daemon_conflict(**sandbox, "is not running");
  out.file.sandbox = (*sandbox)->id;
  out.file.path = std::move(path);
  co_return out;
}

http::Response content(const std::string& path, const char* member, std::string text) {
  codec::json::object body;
  body["path"] = path;
  body[member] = std::move(text);
  return ok(body);
}

Task<http::Response> read(const Context& context, http::Request request) {
  const std::string path = request.query_value("path").value_or("");
  if (path.empty()) co_return error_response(400, kNoPath);
  Opened opened = co_await open(context, request, path);
  if (opened.refusal) co_return *std::move(opened.refusal);
  auto bytes = co_await context.guests.read_file(std::move(opened.file), kFileBytesMax);
  if (!bytes && is_hidden(context, bytes.error())) co_return content(path, "content", "");
  if (!bytes) co_return file_failed(bytes.error());
  co_return content(path, "content", *std::move(bytes));
}

Task<http::Response> write(const Context& context, http::Request request) {
  const std::string path = request.query_value("path").value_or("");
  if (path.empty()) co_return error_response(400, kNoPath);
  auto text = decode_content(request.body, needs_content(context, request));
  if (!text) co_return bad_request(text.error());
  Opened opened = co_await open(context, request, path);
  if (opened.refusal) co_return *std::move(opened.refusal);
  auto written = co_await context.guests.write_file(std::move(opened.file), *std::move(text), 0);
  if (!written && !is_hidden(context, written.error())) co_return file_failed(written.error());
  co_return content(path, "status", "written");
}

Task<http::Response> remove(const Context& context, http::Request request) {
  std::string path = request.query_value("path").value_or("");
  if (path.empty()) co_return error_response(400, kNoPath);
  Opened opened = co_await open(context, request, std::move(path));
  if (opened.refusal) co_return *std::move(opened.refusal);
  auto removed = co_await context.guests.remove_file(std::move(opened.file));
  if (!removed && !is_hidden(context, removed.error())) co_return file_failed(removed.error());
  co_return no_content();
}

// As `ls -la` has them: with the directory itself and the one above.
Task<Result<std::vector<model::FileInfo>>> list_all(const Context& context, GuestService::FileRef directory) {
  SBX_CO_TRY(entries, co_await context.guests.list_files(directory));
  std::vector<model::FileInfo> out;
  for (const char* name : {".", ".."}) {
    GuestService::FileRef file = directory;
    file.path += std::string("/") + name;
    SBX_CO_TRY(info, co_await context.guests.stat_file(std::move(file)));
    info.path = name;
    out.push_back(std::move(info));
  }
  for (model::FileInfo& entry : entries) out.push_back(std::move(entry));
  co_return out;
}

Task<Result<std::string>> listing(const Context& context, GuestService::FileRef file) {
  const WallTime now = context.clock.wall_now();
  SBX_CO_TRY(info, co_await context.guests.stat_file(file));
  if (info.kind != model::FileKind::directory) co_return file_text(info, now);
  SBX_CO_TRY(entries, co_await list_all(context, std::move(file)));
  co_return directory_text(entries, now);
}

Task<http::Response> list(const Context& context, http::Request request) {
  const std::string path = request.query_value("path").value_or("/");
  Opened opened = co_await open(context, request, path);
  if (opened.refusal) co_return *std::move(opened.refusal);
  if (path.empty()) co_return content(path, "output", "");
  auto text = co_await listing(context, std::move(opened.file));
  if (!text && is_hidden(context, text.error())) co_return content(path, "output", "");
  if (!text) co_return file_failed(text.error());
  co_return content(path, "output", *std::move(text));
}

constexpr Entry kRoutes[] = {
    {"GET", "/v1/sandboxes/{id}/files", read},
    {"PUT", "/v1/sandboxes/{id}/files", write, true, kWriteBodyBytesMax},
    {"DELETE", "/v1/sandboxes/{id}/files", remove},
    {"GET", "/v1/sandboxes/{id}/files/list", list},
};

}  // namespace

std::span<const Entry> file_routes() { return kRoutes; }

}  // namespace sandboxd::orch::opensbx
