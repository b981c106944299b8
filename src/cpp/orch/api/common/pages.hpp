// Files that are part of the program: put into it by the build (cmake/Embed.cmake), served as they are.
#pragma once

#include <span>
#include <string_view>

namespace sandboxd::orch::common {

struct Page {
  std::string_view path;  // on the listener
  std::string_view content_type;
  std::string_view body;
};

// The OpenAPI document first.
[[nodiscard]] std::span<const Page> pages();

}  // namespace sandboxd::orch::common
