#include "orch/api/opensbx/streams.hpp"

#include "orch/api/opensbx/log_lines.hpp"

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

}  // namespace sandboxd::orch::opensbx
