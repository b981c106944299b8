// Container logs: whole as the original answers them, a part of them (since, tail), or as they grow (follow).
#include "aio/deadline.hpp"
#include "base/limits.hpp"
#include "codec/cri_log.hpp"
#include "codec/log_window.hpp"
#include "codec/sbxlet_validate.hpp"
#include "http/sse.hpp"
#include "node/api/route_parts.hpp"

#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace sandboxd::node {
namespace {

namespace sbxlet = codec::sbxlet;
namespace json = codec::json;

http::Response log_failure(const Error& error) {
  if (error.code() == ErrorCode::not_found) return sbxlet_error(404, error.code(), "logs not found");
  if (error.code() == ErrorCode::too_large) return sbxlet_error(413, error.code(), "logs too large");
  if (error.code() == ErrorCode::resource_exhausted) return failed(429, error);
  return sbxlet_error(500, error.code(), "failed to read logs");
}

json::object lines_object(const std::vector<std::string>& lines) {
  json::array items(lines.begin(), lines.end());
  json::object logs;
  logs["lines"] = std::move(items);
  return logs;
}

bool is_following(const http::Request& request) {
  const std::string value = request.query_value("follow").value_or("");
  return value == "1" || value == "true";
}

Result<codec::LogWindow> window_of(const Api& api, const http::Request& request) {
  return codec::parse_log_window(request.query_value("since"), request.query_value("tail"),
                                 api.agent.clock().wall_now());
}

void cut(const codec::LogWindow& window, std::vector<std::string>& lines) {
  if (window.since) codec::keep_since(*window.since, lines);
  if (window.tail) codec::keep_last(*window.tail, lines);
}

// A log as server-sent events: {"container", "line"} each, and an event "end" when nothing more will come.
class LogBody final : public http::BodyStream {
 public:
  LogBody(std::unique_ptr<ports::OutputReader> reader, codec::LogWindow window, ports::Clock& clock)
      : reader_(std::move(reader)), window_(window), clock_(clock) {}

  Task<std::optional<std::string>> next() override {
    if (is_over_) co_return std::nullopt;
    // What is there comes with the head, so that a client sees at once that it is connected.
    const bool is_first = std::exchange(is_first_, false);
    auto outputs = co_await aio::with_deadline(clock_, limits::kSseKeepAlive, reader_->next(), "log");
    if (!outputs && outputs.error().code() == ErrorCode::deadline_exceeded) co_return http::sse_keep_alive();
    if (outputs && *outputs)
      co_return (is_first ? http::sse_keep_alive() : std::string()) + events(**outputs, is_first);
    is_over_ = true;
    http::SseEvent last;
    last.event = outputs ? "end" : "error";
    last.data = outputs ? "{}" : sbxlet::encode_error(outputs.error().message());
    co_return http::format_sse(last);
  }

 private:
  std::string events(std::vector<ports::ContainerOutput> outputs, bool is_first) const {
    // By time, which CRI lines begin with in a fixed width; equal times keep their order.
    std::multimap<std::string, std::string> by_time;
    for (auto& output : outputs) {
      if (window_.since) codec::keep_since(*window_.since, output.lines);
      for (const std::string& line : output.lines) {
        json::object data;
        data["container"] = output.container;
        data["line"] = line;
        http::SseEvent event;
        event.data = codec::write_json(data);
        by_time.emplace(line.substr(0, line.find(' ')), http::format_sse(event));
      }
    }
    std::vector<std::string> texts;
    for (auto& [time, text] : by_time) texts.push_back(std::move(text));
    if (is_first && window_.tail) codec::keep_last(*window_.tail, texts);
    std::string all;
    for (const std::string& text : texts) all += text;
    return all;
  }

  std::unique_ptr<ports::OutputReader> reader_;
  codec::LogWindow window_;
  ports::Clock& clock_;
  bool is_first_ = true;
  bool is_over_ = false;
};

http::Response follow(const Api& api, const SandboxId& id, const std::string& container, codec::LogWindow window) {
  auto reader = api.agent.follow_log(id, container);
  if (!reader) return log_failure(reader.error());
  http::Response response;
  response.content_type = "text/event-stream";
  response.headers.emplace_back("Cache-Control", "no-store");
  response.stream = std::make_shared<LogBody>(*std::move(reader), window, api.agent.clock());
  return response;
}

Task<http::Response> container_logs(ApiPtr api, http::Request request) {
  const SandboxId id(request.parameter("id"));
  const std::string container = request.parameter("container");
  if (!sbxlet::validate_id(id.str())) co_return sbxlet_error(500, ErrorCode::invalid_argument, "failed to read logs");
  const auto window = window_of(*api, request);
  if (!window) co_return failed(400, window.error());
  if (is_following(request)) co_return follow(*api, id, container, *window);
  auto lines = co_await api->agent.log(id, container);
  if (!lines) co_return log_failure(lines.error());
  cut(*window, *lines);
  json::object answer;
  answer["sandbox_id"] = id.str();
  answer["container"] = container;
  answer["logs"] = lines_object(*lines);
  co_return ok(answer);
}

Task<http::Response> sandbox_logs(ApiPtr api, http::Request request) {
  const SandboxId id(request.parameter("id"));
  if (!sbxlet::validate_id(id.str())) co_return sbxlet_error(500, ErrorCode::invalid_argument, "failed to read logs");
  const auto window = window_of(*api, request);
  if (!window) co_return failed(400, window.error());
  const auto sandbox = api->agent.get(id);
  if (!sandbox) co_return sbxlet_error(404, ErrorCode::not_found, "logs not found");
  if (is_following(request)) co_return follow(*api, id, "", *window);
  std::vector<codec::ContainerLines> all;
  std::size_t bytes = 0;
  for (const auto& container : sandbox->containers) {
    auto lines = co_await api->agent.log(id, container.name);
    if (!lines) co_return log_failure(lines.error());
    for (const std::string& line : *lines) bytes += line.size() + 1;
    if (bytes > limits::kLogSandboxBytesMax) co_return sbxlet_error(413, ErrorCode::too_large, "logs too large");
    if (window->since) codec::keep_since(*window->since, *lines);
    all.push_back({container.name, *std::move(lines)});
  }
  auto merged = codec::merge_lines(std::move(all));
  if (window->tail) codec::keep_last(*window->tail, merged);
  json::object answer;
  answer["sandbox_id"] = id.str();
  answer["logs"] = lines_object(merged);
  co_return ok(answer);
}

constexpr RouteEntry kRoutes[] = {
    {"GET", "/v1/sandboxes/{id}/logs", sandbox_logs},
    {"GET", "/v1/sandboxes/{id}/containers/{container}/logs", container_logs},
};

}  // namespace

std::span<const RouteEntry> log_routes() { return kRoutes; }

}  // namespace sandboxd::node
