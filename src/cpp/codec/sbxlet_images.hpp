// The node API's JSON for images and usage, both ways; our additions to the "sbxlet" dialect (codec/sbxlet.hpp). The
// control plane's /api/v1 shows the same objects.
//
//   image     digest, names, sizeBytes, created, architecture, os, lastUsed, used
//   pull      request {image, credentials {username, password}}; as server-sent events: "progress" with an item as in
//             a sandbox's `pulls`, then "image" with the image, or "error" with {error, code}
//   usage     cpuNanos, cpuPercent, memoryBytes, memoryLimitBytes, memoryPercent, pids,
//             containers [{name, cpuNanos, memoryBytes, memoryLimitBytes, pids}]
//
// Pure functions. Decoders of requests fail with invalid_argument, decoders of answers with protocol_error.
#pragma once

#include "base/result.hpp"
#include "codec/json.hpp"
#include "model/image.hpp"
#include "model/pull_progress.hpp"
#include "model/usage.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sandboxd::codec::sbxlet {

[[nodiscard]] json::object image_object(const model::Image& image);
[[nodiscard]] model::Image read_image(const Reader& in);
[[nodiscard]] Result<model::Image> decode_image(std::string_view body);
// {"items":[...]}
[[nodiscard]] Result<std::vector<model::Image>> decode_images(std::string_view body);

struct PullRequest {
  std::string image;
  std::optional<model::RegistryCredentials> credentials;
};
[[nodiscard]] Result<PullRequest> decode_pull(std::string_view body);
[[nodiscard]] std::string encode_pull(const PullRequest& request);

// One event of a pull that is watched: how far it is, or how it ended.
struct PullFailed {
  Error error;
};
using PullEvent = std::variant<model::PullProgress, model::Image, PullFailed>;
struct PullEventText {
  std::string name;
  std::string data;
};
[[nodiscard]] PullEventText encode_pull_event(const PullEvent& event);
// nullopt for an event that this version does not know.
[[nodiscard]] Result<std::optional<PullEvent>> decode_pull_event(std::string_view name, std::string_view data);

// The "pulls" of {"sandbox":{...}}.
[[nodiscard]] Result<std::vector<model::PullProgress>> decode_sandbox_pulls(std::string_view body);

[[nodiscard]] json::object usage_object(const model::SandboxUsage& usage);
[[nodiscard]] Result<model::SandboxUsage> decode_usage(std::string_view body);

}  // namespace sandboxd::codec::sbxlet
