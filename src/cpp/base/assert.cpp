#include "base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace sandboxd {

void assertion_failed(std::string_view expression, std::string_view file, int line) {
  std::fprintf(stderr, "assertion failed: %.*s at %.*s:%d\n", static_cast<int>(expression.size()), expression.data(),
               static_cast<int>(file.size()), file.data(), line);
  std::abort();
}

}  // namespace sandboxd
