// The persisted forms of the model: JSON with a version inside ("v":1), the same for every store.
//
// Lossless: decode(encode(x)) == x for every value whose texts are valid UTF-8, over restarts and updates of the
// program. Rules for changing a form: a new field is added with a default that means "as before" and is ignored by
// older programs; a field is never given a new meaning; anything else raises the version, and the decoder keeps reading
// the old ones. Members that hold their default are left out, times are nanoseconds since 1970.
//
// Decoders take the id of what they read, only to name it: on any problem they fail with storage_failed "record of
// sandbox <id>: spec.containers[0].image: a string is expected, not a number". Pure functions.
#pragma once

#include "base/result.hpp"
#include "model/node.hpp"
#include "model/node_sandbox.hpp"
#include "model/sandbox.hpp"
#include "model/spec.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::codec::record {

inline constexpr int kVersion = 1;

[[nodiscard]] std::string encode_spec(const model::SandboxSpec& spec);
[[nodiscard]] Result<model::SandboxSpec> decode_spec(std::string_view id, std::string_view text);

[[nodiscard]] std::string encode_sandbox(const model::Sandbox& sandbox);
[[nodiscard]] Result<model::Sandbox> decode_sandbox(std::string_view id, std::string_view text);

[[nodiscard]] std::string encode_node(const model::Node& node);
[[nodiscard]] Result<model::Node> decode_node(std::string_view id, std::string_view text);

[[nodiscard]] std::string encode_node_sandbox(const model::NodeSandbox& sandbox);
[[nodiscard]] Result<model::NodeSandbox> decode_node_sandbox(std::string_view id, std::string_view text);

// Parts that the relational store keeps in columns of their own. Plain lists and maps, without a version: their
// elements follow the rules above.
[[nodiscard]] std::string encode_ports(const std::vector<model::PublishedPort>& ports);
[[nodiscard]] Result<std::vector<model::PublishedPort>> decode_ports(std::string_view id, std::string_view text);
[[nodiscard]] std::string encode_containers(const std::vector<model::ContainerStatus>& containers);
[[nodiscard]] Result<std::vector<model::ContainerStatus>> decode_containers(std::string_view id, std::string_view text);
[[nodiscard]] std::string encode_texts(const std::vector<std::string>& texts);
[[nodiscard]] Result<std::vector<std::string>> decode_texts(std::string_view id, std::string_view text);
[[nodiscard]] std::string encode_labels(const model::Labels& labels);
[[nodiscard]] Result<model::Labels> decode_labels(std::string_view id, std::string_view text);
[[nodiscard]] std::string encode_resources(const model::NodeResources& resources);
[[nodiscard]] Result<model::NodeResources> decode_resources(std::string_view id, std::string_view text);

// Names of enumerations that the model itself does not name.
[[nodiscard]] std::string_view to_text(model::EgressMode mode);
[[nodiscard]] std::string_view to_text(model::OnExpiry what);
[[nodiscard]] std::string_view to_text(model::RestartPolicy policy);
[[nodiscard]] std::optional<model::EgressMode> parse_egress_mode(std::string_view text);
[[nodiscard]] std::optional<model::OnExpiry> parse_on_expiry(std::string_view text);
[[nodiscard]] std::optional<model::RestartPolicy> parse_restart_policy(std::string_view text);

}  // namespace sandboxd::codec::record
