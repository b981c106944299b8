// A command's output as frames of bytes, for readers that take much of it: text need not be quoted and looked at.
//
//   u8 kind | u8[3] zero | u32 length | u64 position | payload            numbers big-endian
//
// Kinds: 1 stdout, 2 stderr (payload: what was written; position: of its first byte, beyond the end of the last one
// when something between was dropped); 3 the end (position 0; payload: the last line of the JSON form, {"command": ...}
// or {"error": ..., "code": ...}). A stream without an end was cut off.
#pragma once

#include "model/command.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace sandboxd::codec::guest {

inline constexpr std::string_view kOutputFrames = "application/vnd.sandboxd.output";  // media type
inline constexpr std::size_t kOutputHeaderBytes = 16;

// What stands before the piece's bytes.
[[nodiscard]] std::string encode_output_head(const model::OutputPiece& piece);
[[nodiscard]] std::string encode_output_end(std::string_view json);

}  // namespace sandboxd::codec::guest
