// Images of the node: our additions to the dialect. The forms are codec/sbxlet_images.hpp's.
#include "aio/deadline.hpp"
#include "aio/notifier.hpp"
#include "codec/sbxlet_images.hpp"
#include "http/sse.hpp"
#include "node/api/route_parts.hpp"
#include "node/images.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>

#include <exception>
#include <optional>
#include <utility>

namespace sandboxd::node {
namespace {

namespace sbxlet = codec::sbxlet;
namespace json = codec::json;

constexpr Duration kProgressInterval = std::chrono::milliseconds(300);

http::Response refused(const Error& error) { return failed(http_status(error.code()), error); }

std::string reference_of(const http::Request& request) { return request.query_value("reference").value_or(""); }

http::Response no_reference() {
  return sbxlet_error(400, ErrorCode::invalid_argument, "the query parameter reference is required");
}

// nullopt: neither "true" nor "false".
std::optional<bool> flag_of(const http::Request& request, const std::string& name) {
  const std::string value = request.query_value(name).value_or("false");
  if (value == "true" || value == "1") return true;
  if (value == "false" || value == "0") return false;
  return std::nullopt;
}

http::Response bad_flag(const std::string& name) {
  return sbxlet_error(400, ErrorCode::invalid_argument, name + " must be true or false");
}

Task<http::Response> list(ApiPtr api, http::Request) {
  auto images = co_await api->agent.images().list();
  if (!images) co_return refused(images.error());
  json::array items;
  for (const model::Image& image : *images) items.push_back(sbxlet::image_object(image));
  json::object answer;
  answer["items"] = std::move(items);
  co_return ok(answer);
}

Task<http::Response> inspect(ApiPtr api, http::Request request) {
  const std::string reference = reference_of(request);
  if (reference.empty()) co_return no_reference();
  auto image = co_await api->agent.images().find(reference);
  if (!image) co_return refused(image.error());
  co_return ok(sbxlet::image_object(*image));
}

Task<http::Response> remove(ApiPtr api, http::Request request) {
  const std::string reference = reference_of(request);
  if (reference.empty()) co_return no_reference();
  const auto force = flag_of(request, "force");
  if (!force) co_return bad_flag("force");
  auto removed = co_await api->agent.images().remove(reference, *force);
  if (!removed) co_return refused(removed.error());
  json::object answer;
  answer["deleted"] = reference;
  co_return ok(answer);
}

// A pull that goes on whether or not somebody watches it.
struct WatchedPull {
  explicit WatchedPull(const boost::asio::any_io_executor& executor) : changed(executor) {}
  aio::Notifier changed;
  std::optional<Result<model::Image>> outcome;
};

Task<void> run_pull(ApiPtr api, sbxlet::PullRequest request, std::shared_ptr<WatchedPull> pull) {
  auto image = co_await api->agent.images().pull(std::move(request.image), std::move(request.credentials));
  pull->outcome = std::move(image);
  pull->changed.notify();
}

Task<Result<void>> end_of(std::shared_ptr<WatchedPull> pull) {
  while (!pull->outcome) co_await pull->changed.wait();
  co_return Result<void>();
}

class PullBody final : public http::BodyStream {
 public:
  PullBody(ApiPtr api, std::string image, std::shared_ptr<WatchedPull> pull)
      : api_(std::move(api)), image_(std::move(image)), pull_(std::move(pull)) {}

  Task<std::optional<std::string>> next() override {
    if (is_over_) co_return std::nullopt;
    if (!pull_->outcome) {
      auto end = co_await aio::with_deadline(api_->agent.clock(), kProgressInterval, end_of(pull_), "pull");
      if (!end && end.error().code() != ErrorCode::deadline_exceeded) co_return std::nullopt;
    }
    if (pull_->outcome) {
      is_over_ = true;
      if (*pull_->outcome) co_return text_of(sbxlet::PullEvent(**pull_->outcome));
      co_return text_of(sbxlet::PullFailed{pull_->outcome->error()});
    }
    model::PullProgress progress;
    progress.image = image_;
    if (auto now = api_->agent.images().pull_progress(image_)) progress = *std::move(now);
    co_return text_of(sbxlet::PullEvent(std::move(progress)));
  }

 private:
  static std::string text_of(const sbxlet::PullEvent& event) {
    auto wire = sbxlet::encode_pull_event(event);
    http::SseEvent out;
    out.event = std::move(wire.name);
    out.data = std::move(wire.data);
    return http::format_sse(out);
  }

  ApiPtr api_;
  std::string image_;
  std::shared_ptr<WatchedPull> pull_;
  bool is_over_ = false;
};

Task<http::Response> watch_pull(ApiPtr api, sbxlet::PullRequest request) {
  const auto executor = co_await boost::asio::this_coro::executor;
  const auto pull = std::make_shared<WatchedPull>(executor);
  const std::string image = request.image;
  api->agent.run("pull for people", run_pull(api, std::move(request), pull));
  http::Response response;
  response.content_type = "text/event-stream";
  response.headers.emplace_back("Cache-Control", "no-store");
  response.stream = std::make_shared<PullBody>(api, image, pull);
  co_return response;
}

Task<http::Response> pull(ApiPtr api, http::Request request) {
  const auto is_watched = flag_of(request, "progress");
  if (!is_watched) co_return bad_flag("progress");
  auto body = sbxlet::decode_pull(request.body);
  if (!body) co_return failed(400, body.error());
  if (auto valid = api->agent.images().check_reference(body->image); !valid) co_return failed(400, valid.error());
  if (*is_watched) co_return co_await watch_pull(api, *std::move(body));
  auto image = co_await api->agent.images().pull(std::move(body->image), std::move(body->credentials));
  if (!image) co_return refused(image.error());
  co_return ok(sbxlet::image_object(*image));
}

std::vector<std::string> values_of(const http::Request& request, const std::string& name) {
  std::vector<std::string> out;
  const auto [first, last] = request.query.equal_range(name);
  for (auto at = first; at != last; ++at) out.push_back(at->second);
  return out;
}

Result<ports::ImageImportRequest> import_request(const http::Request& request) {
  ports::ImageImportRequest out;
  out.reference = reference_of(request);
  const std::string format = request.query_value("format").value_or("image");
  if (format != "image" && format != "rootfs")
    return Error(ErrorCode::invalid_argument, "format must be image or rootfs, not " + format);
  if (format == "image") return out;
  out.kind = model::ArchiveKind::rootfs;
  out.rootfs.entrypoint = values_of(request, "entrypoint");
  out.rootfs.command = values_of(request, "command");
  out.rootfs.env = values_of(request, "env");
  out.rootfs.work_dir = request.query_value("workDir").value_or("");
  out.rootfs.user = request.query_value("user").value_or("");
  for (const std::string& variable : out.rootfs.env) {
    if (variable.find('=') == std::string::npos || variable.starts_with('='))
      return Error(ErrorCode::invalid_argument, "env must be KEY=VALUE, not \"" + variable + "\"");
  }
  return out;
}

Task<http::Response> import(ApiPtr api, http::Request request) {
  auto wanted = import_request(request);
  if (!wanted) co_return failed(400, wanted.error());
  const std::string reference = wanted->reference;
  auto begun = api->agent.images().begin_import(*std::move(wanted));
  if (!begun) co_return refused(begun.error());
  const std::unique_ptr<ports::ImageImport> import = *std::move(begun);
  const auto body = request.body_reader;
  for (;;) {
    auto piece = co_await body->next();
    if (!piece) co_return refused(piece.error());
    if (!*piece) break;
    auto written = co_await import->write(*std::move(*piece));
    if (!written) co_return refused(written.error());
  }
  auto image = co_await import->finish();
  if (!image) co_return refused(image.error());
  api->agent.images().imported(reference, *image);
  co_return ok(sbxlet::image_object(image_of(*image)), 201);
}

constexpr RouteEntry kRoutes[] = {
    {"GET", "/v1/images", list},
    {"GET", "/v1/images/inspect", inspect},
    {"POST", "/v1/images/pull", pull},
    {"DELETE", "/v1/images", remove},
    {.method = "POST",
     .pattern = "/v1/images/import",
     .function = import,
     .body_bytes_max = ports::kImportBytesMax,
     .streams_body = true},
};

}  // namespace

std::span<const RouteEntry> image_routes() { return kRoutes; }

}  // namespace sandboxd::node
