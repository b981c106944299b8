// The two answers that come line by line: a command until its end, and its output as it is written.
#pragma once

#include "orch/api/opensbx/context.hpp"
#include "orch/guest_service.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace sandboxd::orch::opensbx {

// application/x-ndjson.
[[nodiscard]] http::Response lines(std::shared_ptr<http::BodyStream> stream);

// The command as it is, and as it ended.
[[nodiscard]] http::Response waited(GuestService& guests, model::Command command);

// {"type", "data"} a line, until the command ends.
[[nodiscard]] http::Response followed(std::unique_ptr<OutputStream> output);

// One side's bytes to such lines. What has no newline yet is held back, up to kHeldBytesMax: a longer line comes in
// several parts, of which the last alone ends with a newline. Pure.
class LogLines {
 public:
  static constexpr std::size_t kHeldBytesMax = 1 << 20;

  explicit LogLines(std::string_view type) : type_(type) {}
  // What is complete now, as JSON lines.
  [[nodiscard]] std::string feed(std::string_view bytes);
  // The rest.
  [[nodiscard]] std::string finish();

 private:
  void put(std::string_view data, bool is_line, std::string& out) const;

  std::string_view type_;  // "stdout" or "stderr"
  std::string held_;
};

}  // namespace sandboxd::orch::opensbx
