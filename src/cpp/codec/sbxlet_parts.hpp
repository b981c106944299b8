// Pieces of JSON that the create body and the sandbox object share. Internal to the sbxlet codec.
#pragma once

#include "codec/json.hpp"
#include "model/node_sandbox.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace sandboxd::codec::sbxlet {

[[nodiscard]] json::object port_object(const model::PublishedPort& port);
[[nodiscard]] json::array volumes_array(const std::vector<model::Volume>& volumes);
[[nodiscard]] json::object resource_object(const model::ContainerResources& resources);
// The text as the user wrote it, or the number formatted when there never was a text.
[[nodiscard]] std::string amount_text(const model::Amount& amount, std::string (*format)(std::int64_t value));
// Whatever a node answers is read with these: foreign programs write it.
inline constexpr ParseOptions kAnswer{
    .first_value_only = true, .null_is_empty_object = true, .code = ErrorCode::protocol_error};
inline constexpr ReadOptions kAnswerFields{.ignore_case = true, .code = ErrorCode::protocol_error};
// capAdd, capDrop, securityOpt, readOnly, tmpfs, volumeMounts: those that are not empty.
void put_parts(json::object& out, const model::Container& container);

}  // namespace sandboxd::codec::sbxlet
