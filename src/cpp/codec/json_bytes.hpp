// Long texts as JSON, written without a tree of values. Pure.
#pragma once

#include <string>
#include <string_view>

namespace sandboxd::codec {

// `text` in quotes behind `out`, in the form of write_json().
void append_json_string(std::string_view text, std::string& out);
[[nodiscard]] bool is_valid_utf8(std::string_view text);

}  // namespace sandboxd::codec
