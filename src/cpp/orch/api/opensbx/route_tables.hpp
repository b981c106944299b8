// The route files of this dialect. Internal to them.
#pragma once

#include "orch/api/opensbx/context.hpp"

#include <optional>
#include <span>
#include <string_view>

namespace sandboxd::orch::opensbx {

[[nodiscard]] std::span<const Entry> main_routes();  // health, and creation
[[nodiscard]] std::span<const Entry> sandbox_routes();
[[nodiscard]] std::span<const Entry> life_routes();
[[nodiscard]] std::span<const Entry> command_routes();
[[nodiscard]] std::span<const Entry> file_routes();
[[nodiscard]] std::span<const Entry> image_routes();

// POST /v1/sandboxes.
[[nodiscard]] Task<http::Response> create_sandbox(const Context& context, http::Request request);

// POST /v1/images/pull. `observer` may be empty.
[[nodiscard]] Task<http::Response> pull_image(const Context& context, http::Request request, PullObserver observer);

// 500 with what the original's daemon says of a sandbox's container.
[[nodiscard]] http::Response daemon_conflict(const model::Sandbox& sandbox, std::string_view what);

// Refuses what needs processes when there are none, or when they are frozen.
[[nodiscard]] std::optional<http::Response> refuse_idle(const Context& context, const model::Sandbox& sandbox);

}  // namespace sandboxd::orch::opensbx
