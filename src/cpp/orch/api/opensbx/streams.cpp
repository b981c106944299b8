#include "orch/api/opensbx/streams.hpp"

#include "codec/json.hpp"

#include <optional>
#include <utility>
#include <variant>

namespace sandboxd::orch::opensbx {
namespace {

// A wait without limit, in steps.
constexpr Duration kWaitStep = std::chrono::hours(1);

class WaitBody final : public http::BodyStream {
 public:
  WaitBody(GuestService& guests, model::Command command) : guests_(guests), command_(std::move(command)) {}

  Task<std::optional<std::string>> next() override {
    if (!is_begun_) {
      is_begun_ = true;
      co_return command_body(command_) + "\n";
    }
    if (is_over_) co_return std::nullopt;
    while (!command_.exit_code) {
      auto now = co_await guests_.wait(command_.sandbox, command_.id, kWaitStep);
      if (!now) co_return std::nullopt;  // the status is sent: that there is no second line says it
      command_ = *std::move(now);
    }
    is_over_ = true;
    co_return command_body(command_) + "\n";
  }

 private:
  GuestService& guests_;
  model::Command command_;
  bool is_begun_ = false;
  bool is_over_ = false;
};

class LogBody final : public http::BodyStream {
 public:
  explicit LogBody(std::unique_ptr<OutputStream> output) : output_(std::move(output)) {}

  Task<std::optional<std::string>> next() override {
    while (output_) {
      auto item = co_await output_->next();
      std::string text;
      if (const auto* piece = item ? std::get_if<model::OutputPiece>(&*item) : nullptr) {
        text = (piece->is_stderr ? stderr_ : stdout_).feed(piece->bytes);
      } else {
        text = stdout_.finish() + stderr_.finish();
        output_.reset();
      }
      if (!text.empty()) co_return text;
    }
    co_return std::nullopt;
  }

 private:
  std::unique_ptr<OutputStream> output_;
  LogLines stdout_{"stdout"};
  LogLines stderr_{"stderr"};
};

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

}  // namespace

http::Response lines(std::shared_ptr<http::BodyStream> stream) {
  http::Response response;
  response.content_type = "application/x-ndjson";
  response.stream = std::move(stream);
  return response;
}

http::Response waited(GuestService& guests, model::Command command) {
  return lines(std::make_shared<WaitBody>(guests, std::move(command)));
}

http::Response followed(std::unique_ptr<OutputStream> output) {
  return lines(std::make_shared<LogBody>(std::move(output)));
}

void LogLines::put(std::string_view data, bool is_line, std::string& out) const {
  codec::json::object line;
  line["type"] = type_;
  line["data"] = std::string(data) + (is_line ? "\n" : "");
  codec::append_json(line, out);
  out += '\n';
}

std::string LogLines::feed(std::string_view bytes) {
  std::string out;
  std::size_t begin = 0;
  std::size_t searched = held_.size();
  held_ += bytes;
  for (std::size_t end = 0; (end = held_.find('\n', searched)) != std::string::npos; begin = searched = end + 1) {
    std::string_view line = std::string_view(held_).substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    put(line, true, out);
  }
  held_.erase(0, begin);
  if (held_.size() < kHeldBytesMax) return out;
  // Not in the middle of a character, and not between a CR and what may be its LF.
  std::size_t cut = held_.size() - 1;
  while (cut > 0 && is_continuation(held_[cut])) --cut;
  put(std::string_view(held_).substr(0, cut), false, out);
  held_.erase(0, cut);
  return out;
}

std::string LogLines::finish() {
  std::string out;
  std::string_view rest = held_;
  if (rest.ends_with('\r')) rest.remove_suffix(1);
  if (!held_.empty()) put(rest, true, out);
  held_.clear();
  return out;
}

}  // namespace sandboxd::orch::opensbx
