// How bodies are read, for both halves of the wire. Internal to wire*.cpp.
#pragma once

#include "codec/json.hpp"

namespace sandboxd::orch::sandboxd_o {

// As the original reads a body: the first value counts, `null` is an empty object.
inline constexpr codec::ParseOptions kLenient{.first_value_only = true, .null_is_empty_object = true};

}  // namespace sandboxd::orch::sandboxd_o
