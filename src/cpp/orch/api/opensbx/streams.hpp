// The two answers that come line by line: a command until its end, and its output as it is written.
#pragma once

#include "orch/api/opensbx/context.hpp"
#include "orch/guest_service.hpp"

#include <memory>

namespace sandboxd::orch::opensbx {

// application/x-ndjson.
[[nodiscard]] http::Response lines(std::shared_ptr<http::BodyStream> stream);

// The command as it is, and as it ended.
[[nodiscard]] http::Response waited(GuestService& guests, model::Command command);

// {"type", "data"} a line, until the command ends.
[[nodiscard]] http::Response followed(std::unique_ptr<OutputStream> output);

}  // namespace sandboxd::orch::opensbx
