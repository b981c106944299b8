// What the routes into sandboxes share.
#pragma once

#include "node/api/route_parts.hpp"
#include "node/commands.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace sandboxd::node {

// The status that the error's code stands for; a full disk inside a sandbox is 507.
[[nodiscard]] http::Response guest_failure(const Error& error);

// Query parameters. Errors: invalid_argument naming the parameter.
[[nodiscard]] Result<std::uint64_t> number_of(const http::Request& request, const std::string& name,
                                              std::uint64_t fallback);
[[nodiscard]] Result<bool> flag_of(const http::Request& request, const std::string& name, bool fallback);
[[nodiscard]] Result<std::uint32_t> mode_of(const http::Request& request, std::uint32_t fallback);  // octal

// Whether the client names this media type among those that it takes.
[[nodiscard]] bool accepts(const http::Request& request, std::string_view media_type);

// An answer that takes its time, sent as a stream so that the client's departure is noticed. What is done by `grace` is
// answered at once, with its own status.
class LateAnswer {
 public:
  virtual ~LateAnswer() = default;
  [[nodiscard]] virtual Task<Result<codec::json::object>> make() = 0;  // may be cancelled and called again
};
[[nodiscard]] Task<http::Response> answer_late(ports::Clock* clock, std::shared_ptr<LateAnswer> late);

}  // namespace sandboxd::node
