// Files, ports and processes of a running sandbox: codec/guest_wire.hpp lists the routes.
#include "codec/guest_wire.hpp"
#include "node/api/guest_route_parts.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace sandboxd::node {
namespace {

namespace guest = codec::guest;
namespace json = codec::json;

constexpr std::uint64_t kDepthMax = 32;
constexpr std::uint64_t kCountedBytesMin = 1 << 20;  // of a file that is sent with its length

// What a request about a path asks for.
struct Place {
  GuestTarget target;
  ports::GuestPath path;
};

Result<GuestTarget> target_of(const Api& api, const http::Request& request) {
  return api.agent.commands().target(SandboxId(request.parameter("id")), request.query_value("container").value_or(""));
}

Result<std::string> path_of(const http::Request& request, const std::string& name) {
  std::string path = request.query_value(name).value_or("");
  if (path.empty()) return Error(ErrorCode::invalid_argument, name + ": a path is needed");
  if (path.find('\0') != std::string::npos) return Error(ErrorCode::invalid_argument, name + ": a NUL byte");
  return path;
}

Result<Place> place_of(const Api& api, const http::Request& request) {
  SBX_TRY(path, path_of(request, "path"));
  SBX_TRY(target, target_of(api, request));
  return Place{std::move(target), {std::move(path), request.query_value("user").value_or("")}};
}

http::Response with_file(const Result<model::FileInfo>& file) {
  if (!file) return guest_failure(file.error());
  json::object body;
  body["file"] = guest::file_object(*file);
  return ok(body);
}

http::Response no_content(const Result<void>& done) {
  if (!done) return guest_failure(done.error());
  http::Response response;
  response.status = 204;
  return response;
}

std::string octal(std::uint32_t mode) {
  std::string digits;
  for (int shift = 9; shift >= 0; shift -= 3) digits += static_cast<char>('0' + (mode >> shift & 7U));
  return digits;
}

// Bytes out of a sandbox, the first of them read before anything is answered. A failure later ends the connection.
class FileBody final : public http::BodyStream {
 public:
  FileBody(std::unique_ptr<ports::GuestReader> reader, std::optional<std::string> first)
      : reader_(std::move(reader)), first_(std::move(first)) {}

  Task<std::optional<std::string>> next() override {
    if (auto first = std::exchange(first_, std::nullopt)) co_return first;
    auto piece = co_await reader_->next();
    if (!piece) throw ErrorException(piece.error());
    co_return *std::move(piece);
  }

 private:
  std::unique_ptr<ports::GuestReader> reader_;
  std::optional<std::string> first_;
};

Task<http::Response> send_out(std::unique_ptr<ports::GuestReader> reader, std::string content_type) {
  auto first = co_await reader->next();
  if (!first) co_return guest_failure(first.error());
  http::Response response;
  response.content_type = std::move(content_type);
  if (*first) response.stream = std::make_shared<FileBody>(std::move(reader), *std::move(first));
  co_return response;
}

// How many bytes a large file will give. Small ones may be the kernel's, which tells sizes that are not so.
std::optional<std::uint64_t> counted(const model::FileInfo& file, std::uint64_t offset, std::uint64_t length) {
  if (file.kind != model::FileKind::file || offset >= file.size) return std::nullopt;
  const std::uint64_t bytes = std::min(file.size - offset, length);
  return bytes >= kCountedBytesMin ? std::optional(bytes) : std::nullopt;
}

Task<http::Response> read(ApiPtr api, http::Request request) {
  auto place = place_of(*api, request);
  if (!place) co_return guest_failure(place.error());
  const auto offset = number_of(request, "offset", 0);
  if (!offset) co_return guest_failure(offset.error());
  const auto length = number_of(request, "length", UINT64_MAX);
  if (!length) co_return guest_failure(length.error());
  ports::GuestAgents& guests = place->target.guests;
  const auto file = co_await guests.stat(place->target.key, place->path, true);
  if (!file) co_return guest_failure(file.error());
  const auto bytes = counted(*file, *offset, *length);
  auto reader = co_await guests.read(place->target.key, std::move(place->path), *offset, bytes.value_or(*length));
  if (!reader) co_return guest_failure(reader.error());
  auto response = co_await send_out(*std::move(reader), "application/octet-stream");
  // A file that has become shorter ends the connection early.
  if (response.stream) response.stream_length = bytes;
  response.headers.emplace_back("X-File-Mode", octal(file->mode));
  response.headers.emplace_back("X-File-Size", std::to_string(file->size));
  co_return response;
}

// As fast as the sandbox takes it. Whatever ends it early leaves what was there.
Task<http::Response> fill(std::unique_ptr<ports::GuestWriter> writer, std::shared_ptr<http::BodyReader> body) {
  for (;;) {
    auto piece = co_await body->next();
    if (!piece) co_return guest_failure(piece.error());
    if (!*piece) break;
    const auto written = co_await writer->write(**std::move(piece));
    if (!written) co_return guest_failure(written.error());
  }
  co_return with_file(co_await writer->finish());
}

Task<http::Response> write(ApiPtr api, http::Request request) {
  auto place = place_of(*api, request);
  if (!place) co_return guest_failure(place.error());
  const auto mode = mode_of(request, 0);
  if (!mode) co_return guest_failure(mode.error());
  const auto parents = flag_of(request, "parents", false);
  if (!parents) co_return guest_failure(parents.error());
  auto writer = co_await place->target.guests.write(place->target.key, std::move(place->path), *mode, *parents);
  if (!writer) co_return guest_failure(writer.error());
  co_return co_await fill(*std::move(writer), request.body_reader);
}

Task<http::Response> remove(ApiPtr api, http::Request request) {
  auto place = place_of(*api, request);
  if (!place) co_return guest_failure(place.error());
  const auto recursive = flag_of(request, "recursive", false);
  if (!recursive) co_return guest_failure(recursive.error());
  auto removed = co_await place->target.guests.remove(place->target.key, std::move(place->path), *recursive);
  if (!removed && removed.error().code() == ErrorCode::not_found) removed = Result<void>();
  co_return no_content(removed);
}

Task<http::Response> stat(ApiPtr api, http::Request request) {
  auto place = place_of(*api, request);
  if (!place) co_return guest_failure(place.error());
  const auto follow = flag_of(request, "follow", true);
  if (!follow) co_return guest_failure(follow.error());
  co_return with_file(co_await place->target.guests.stat(place->target.key, std::move(place->path), *follow));
}

Task<http::Response> list(ApiPtr api, http::Request request) {
  auto place = place_of(*api, request);
  if (!place) co_return guest_failure(place.error());
  const auto depth = number_of(request, "depth", 1);
  if (!depth) co_return guest_failure(depth.error());
  if (*depth < 1 || *depth > kDepthMax)
    co_return guest_failure(Error(ErrorCode::invalid_argument, "depth: 1 to " + std::to_string(kDepthMax)));
  const auto files = co_await place->target.guests.list_files(place->target.key, std::move(place->path),
                                                              static_cast<std::uint32_t>(*depth));
  if (!files) co_return guest_failure(files.error());
  json::array items;
  for (const auto& file : *files) items.push_back(guest::file_object(file));
  json::object body;
  body["items"] = std::move(items);
  co_return ok(body);
}

Task<http::Response> make_directory(ApiPtr api, http::Request request) {
  auto place = place_of(*api, request);
  if (!place) co_return guest_failure(place.error());
  const auto mode = mode_of(request, 0);
  if (!mode) co_return guest_failure(mode.error());
  co_return with_file(
      co_await place->target.guests.make_directory(place->target.key, std::move(place->path), *mode, true));
}

Task<http::Response> rename(ApiPtr api, http::Request request) {
  auto place = place_of(*api, request);
  if (!place) co_return guest_failure(place.error());
  auto to = path_of(request, "to");
  if (!to) co_return guest_failure(to.error());
  co_return with_file(co_await place->target.guests.rename(place->target.key, std::move(place->path), *std::move(to)));
}

Task<http::Response> pack(ApiPtr api, http::Request request) {
  auto place = place_of(*api, request);
  if (!place) co_return guest_failure(place.error());
  auto reader = co_await place->target.guests.pack(place->target.key, std::move(place->path));
  if (!reader) co_return guest_failure(reader.error());
  co_return co_await send_out(*std::move(reader), "application/x-tar");
}

Task<http::Response> unpack(ApiPtr api, http::Request request) {
  auto place = place_of(*api, request);
  if (!place) co_return guest_failure(place.error());
  auto writer = co_await place->target.guests.unpack(place->target.key, std::move(place->path));
  if (!writer) co_return guest_failure(writer.error());
  co_return co_await fill(*std::move(writer), request.body_reader);
}

std::string_view name_of(ports::FileChange change) {
  switch (change) {
    case ports::FileChange::created: return "created";
    case ports::FileChange::written: return "written";
    case ports::FileChange::removed: return "removed";
    case ports::FileChange::renamed: return "renamed";
    case ports::FileChange::attributes: return "attributes";
    case ports::FileChange::overflow: break;
  }
  return "overflow";
}

// A line for every event; the first says that the watch is in force. It ends when the client goes, or the sandbox.
class WatchBody final : public http::BodyStream {
 public:
  explicit WatchBody(std::unique_ptr<ports::GuestWatch> watch) : watch_(std::move(watch)) {}

  Task<std::optional<std::string>> next() override {
    if (is_over_) co_return std::nullopt;
    if (std::exchange(is_first_, false)) co_return line({{"change", "watching"}});
    auto event = co_await watch_->next();
    if (event) {
      json::object change{{"change", name_of(event->change)}};
      guest::put_path(change, event->path);
      co_return line(change);
    }
    is_over_ = true;
    co_return line({{"error", event.error().message()}, {"code", to_string(event.error().code())}});
  }

 private:
  static std::string line(const json::object& object) { return codec::write_json(object) + "\n"; }

  std::unique_ptr<ports::GuestWatch> watch_;
  bool is_first_ = true;
  bool is_over_ = false;
};

Task<http::Response> watch(ApiPtr api, http::Request request) {
  auto place = place_of(*api, request);
  if (!place) co_return guest_failure(place.error());
  const auto recursive = flag_of(request, "recursive", true);
  if (!recursive) co_return guest_failure(recursive.error());
  auto begun = co_await place->target.guests.watch(place->target.key, std::move(place->path), *recursive);
  if (!begun) co_return guest_failure(begun.error());
  http::Response response;
  response.content_type = "application/x-ndjson";
  response.headers.emplace_back("Cache-Control", "no-store");
  response.stream = std::make_shared<WatchBody>(*std::move(begun));
  co_return response;
}

Task<http::Response> listening(ApiPtr api, http::Request request) {
  auto target = target_of(*api, request);
  if (!target) co_return guest_failure(target.error());
  const auto ports = co_await target->guests.listening_ports(target->key);
  if (!ports) co_return guest_failure(ports.error());
  json::array items;
  for (const auto& port : *ports) {
    items.push_back(
        json::object{{"protocol", port.protocol}, {"address", port.address}, {"port", port.port}, {"pid", port.pid}});
  }
  json::object body;
  body["items"] = std::move(items);
  co_return ok(body);
}

Task<http::Response> processes(ApiPtr api, http::Request request) {
  auto target = target_of(*api, request);
  if (!target) co_return guest_failure(target.error());
  const auto all = co_await target->guests.processes(target->key);
  if (!all) co_return guest_failure(all.error());
  json::array items;
  for (const auto& one : *all) {
    json::object item{{"pid", one.pid}, {"parent", one.parent}, {"uid", one.uid}, {"state", one.state}};
    item["name"] = one.name;
    item["argv"] = codec::to_array(one.argv);
    item["cpu_ns"] = one.cpu_ns;
    item["resident_bytes"] = one.resident_bytes;
    item["command"] = one.command;
    items.push_back(std::move(item));
  }
  json::object body;
  body["items"] = std::move(items);
  co_return ok(body);
}

constexpr RouteEntry kRoutes[] = {
    {"GET", "/v1/sandboxes/{id}/files", read},
    {"PUT", "/v1/sandboxes/{id}/files", write, true, kUploadBytesMax, true},
    {"DELETE", "/v1/sandboxes/{id}/files", remove},
    {"GET", "/v1/sandboxes/{id}/files/stat", stat},
    {"GET", "/v1/sandboxes/{id}/files/list", list},
    {"GET", "/v1/sandboxes/{id}/files/watch", watch},
    {"POST", "/v1/sandboxes/{id}/files/mkdir", make_directory},
    {"POST", "/v1/sandboxes/{id}/files/rename", rename},
    {"GET", "/v1/sandboxes/{id}/files/archive", pack},
    {"PUT", "/v1/sandboxes/{id}/files/archive", unpack, true, kUploadBytesMax, true},
    {"GET", "/v1/sandboxes/{id}/listening", listening},
    {"GET", "/v1/sandboxes/{id}/processes", processes},
};

}  // namespace

std::span<const RouteEntry> file_routes() { return kRoutes; }

}  // namespace sandboxd::node
