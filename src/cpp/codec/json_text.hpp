// JSON that is passed on as text: checked, but never decoded and encoded again.
//
// So numbers keep every digit and a large document costs no tree of values. Pure.
#pragma once

#include "base/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::codec {

// The names of the outermost members of `text`, which must be exactly one JSON object, in UTF-8, with white space
// around it at most. Errors: protocol_error, saying what is wrong.
[[nodiscard]] Result<std::vector<std::string>> object_members(std::string_view text);

// `object`, a text that object_members() accepted, with one more member behind the others.
[[nodiscard]] std::string with_member(std::string object, std::string_view name, std::string_view text_value);

// Without white space (of JSON) at both ends.
[[nodiscard]] std::string_view trimmed_json(std::string_view text);

}  // namespace sandboxd::codec
