#include "orch/api/sandboxd_o/watch.hpp"

#include "aio/deadline.hpp"
#include "http/sse.hpp"
#include "orch/api/sandboxd_o/errors.hpp"
#include "orch/api/sandboxd_o/wire.hpp"

#include <charconv>
#include <utility>

namespace sandboxd::orch::sandboxd_o {
namespace {

std::string event_text(const WatchEvent& event) {
  codec::json::object data;
  data["revision"] = event.revision;
  if (event.sandbox) data["sandbox"] = sandbox_object(*event.sandbox);
  if (event.node) data["node"] = node_object(*event.node);
  http::SseEvent out;
  out.id = std::to_string(event.revision);
  out.event = to_string(event.kind);
  out.data = codec::write_json(data);
  return http::format_sse(out);
}

// Result<optional<...>>, because a time limit needs an error to report.
Task<Result<std::optional<WatchEvent>>> next_event(WatchStream& stream) {
  auto event = co_await stream.next();
  co_return event;
}

class WatchBody final : public http::BodyStream {
 public:
  WatchBody(std::shared_ptr<WatchStream> stream, ports::Clock& clock) : stream_(std::move(stream)), clock_(clock) {}

  Task<std::optional<std::string>> next() override {
    if (!greeted_) {
      // Sent at once: the client knows that it misses nothing from here on.
      greeted_ = true;
      co_return "retry: 1000\n: watching after revision " + std::to_string(stream_->seen()) + "\n\n";
    }
    auto event = co_await aio::with_deadline(clock_, limits::kSseKeepAlive, next_event(*stream_), "watch");
    if (!event) co_return http::sse_keep_alive();
    if (!*event) co_return std::nullopt;
    co_return event_text(**event);
  }

 private:
  std::shared_ptr<WatchStream> stream_;
  ports::Clock& clock_;
  bool greeted_ = false;
};

}  // namespace

Task<http::Response> watch(SandboxService& service, ports::Clock& clock, http::Request request) {
  std::string after_text(request.header("Last-Event-ID"));
  const bool is_query = after_text.empty();
  if (is_query) after_text = request.query_value("after").value_or("");
  std::optional<std::int64_t> after;
  if (!after_text.empty()) {
    std::int64_t number = 0;
    const char* end = after_text.data() + after_text.size();
    const auto parsed = std::from_chars(after_text.data(), end, number);
    if (parsed.ec != std::errc{} || parsed.ptr != end || number < 0) {
      const std::string name = is_query ? "after" : "Last-Event-ID";
      co_return error_response(400, "invalid input: " + name + " must be a revision, such as 42");
    }
    after = number;
  }
  WatchFilter filter;
  if (auto id = request.query_value("sandbox")) {
    filter.sandbox = SandboxId(*id);
    filter.nodes = false;
  }
  auto stream = co_await service.watch(after, filter);
  if (!stream) {
    const Error& error = stream.error();
    if (error.code() == ErrorCode::not_found) co_return error_response(410, error.message());
    co_return error_response(error);
  }
  http::Response response;
  response.content_type = "text/event-stream";
  response.headers.emplace_back("Cache-Control", "no-store");
  response.stream = std::make_shared<WatchBody>(std::move(*stream), clock);
  co_return response;
}

}  // namespace sandboxd::orch::sandboxd_o
