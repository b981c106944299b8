// Assertions that stay on in release builds: a broken invariant stops the process instead of corrupting state.
#pragma once

#include <string_view>

namespace sandboxd {

[[noreturn]] void assertion_failed(std::string_view expression, std::string_view file, int line);

}  // namespace sandboxd

#define SBX_ASSERT(expression)                                                        \
  do {                                                                                \
    if (!(expression)) ::sandboxd::assertion_failed(#expression, __FILE__, __LINE__); \
  } while (false)
#define SBX_UNREACHABLE() ::sandboxd::assertion_failed("unreachable", __FILE__, __LINE__)
