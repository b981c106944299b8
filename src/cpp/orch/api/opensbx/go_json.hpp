// The first JSON value of a text, read as Go reads it and refused in its words. Pure.
//
// Source: behaviour of Go's encoding/json: bytes after the value are ignored, invalid UTF-8 and half surrogates become
// U+FFFD, of two equal members both are kept (the last one counts).
#pragma once

#include "base/result.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::orch::opensbx {

struct GoValue {
  enum class Kind { null, boolean, number, string, array, object };
  Kind kind = Kind::null;
  bool fact = false;
  std::string text;                // of a string; of a number as it was written
  std::vector<GoValue> items;      // of an array; of an object, in their order
  std::vector<std::string> names;  // of an object's items
  std::size_t at = 0;              // where it begins in the text
};

inline constexpr std::size_t kGoDepthMax = 256;  // Go's own is 10000; nothing here nests deeper than four

// Errors, all invalid_argument: "EOF", "unexpected EOF", "invalid character 'x' looking for beginning of value" and the
// like, "exceeded max depth".
[[nodiscard]] Result<GoValue> parse_go_json(std::string_view text);

}  // namespace sandboxd::orch::opensbx
