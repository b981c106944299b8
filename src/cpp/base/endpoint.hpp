// "127.0.0.1:8082", ":8080" (every address), "[::1]:8082" as address and port.
#pragma once

#include "base/result.hpp"

#include <string>
#include <string_view>

namespace sandboxd {

struct Endpoint {
  std::string address;  // an IP literal; "0.0.0.0" when none was given
  int port = 0;         // 0: the system chooses
};

// Errors: invalid_argument, saying what was expected.
[[nodiscard]] Result<Endpoint> parse_endpoint(std::string_view text);

// 127.0.0.0/8 and ::1.
[[nodiscard]] bool is_loopback(std::string_view address);

}  // namespace sandboxd
