// RFC 4648 base64 with padding. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sandboxd::codec {

[[nodiscard]] std::string encode_base64(std::string_view bytes);
// Nothing for a text that encode_base64() would not have made.
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text);

}  // namespace sandboxd::codec
