#include "node/api/guest_route_parts.hpp"

#include "aio/deadline.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace sandboxd::node {
namespace {

constexpr Duration kGrace = std::chrono::milliseconds(50);
constexpr std::uint32_t kModeMax = 07777;

Error wrong(const std::string& name, const std::string& text) {
  return {ErrorCode::invalid_argument, name + ": unusable value \"" + text + "\""};
}

template <class T>
Result<T> parse(const std::string& name, const std::string& text, int base) {
  T number{};
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return wrong(name, text);
  return number;
}

class LateBody final : public http::BodyStream {
 public:
  explicit LateBody(std::shared_ptr<LateAnswer> late) : late_(std::move(late)) {}

  Task<std::optional<std::string>> next() override {
    if (!late_) co_return std::nullopt;
    const auto answer = co_await late_->make();
    late_.reset();
    if (answer) co_return codec::write_json(*answer);
    codec::json::object failure;
    failure["error"] = answer.error().message();
    failure["code"] = to_string(answer.error().code());
    co_return codec::write_json(failure);
  }

 private:
  std::shared_ptr<LateAnswer> late_;
};

}  // namespace

http::Response guest_failure(const Error& error) {
  const bool is_full = error.code() == ErrorCode::storage_failed;
  return failed(is_full ? 507 : http_status(error.code()), error);
}

Result<std::uint64_t> number_of(const http::Request& request, const std::string& name, std::uint64_t fallback) {
  const auto text = request.query_value(name);
  if (!text) return fallback;
  return parse<std::uint64_t>(name, *text, 10);
}

Result<bool> flag_of(const http::Request& request, const std::string& name, bool fallback) {
  const auto text = request.query_value(name);
  if (!text) return fallback;
  if (*text == "true" || *text == "1") return true;
  if (*text == "false" || *text == "0") return false;
  return wrong(name, *text);
}

Result<std::uint32_t> mode_of(const http::Request& request, std::uint32_t fallback) {
  const auto text = request.query_value("mode");
  if (!text) return fallback;
  SBX_TRY(mode, parse<std::uint32_t>("mode", *text, 8));
  if (mode > kModeMax) return wrong("mode", *text);
  return mode;
}

bool accepts(const http::Request& request, std::string_view media_type) {
  std::string_view list = request.header("Accept");
  for (std::size_t end = 0; !list.empty(); list.remove_prefix(std::min(end + 1, list.size()))) {
    end = std::min(list.find(','), list.size());
    std::string_view one = list.substr(0, std::min(end, list.find(';')));
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    if (one == media_type) return true;
  }
  return false;
}

Task<http::Response> answer_late(ports::Clock* clock, std::shared_ptr<LateAnswer> late) {
  auto made = co_await aio::with_deadline(*clock, kGrace, late->make(), "answer");
  if (made) co_return ok(*made);
  if (made.error().code() != ErrorCode::deadline_exceeded) co_return guest_failure(made.error());
  http::Response response;
  response.stream = std::make_shared<LateBody>(std::move(late));
  co_return response;
}

}  // namespace sandboxd::node
