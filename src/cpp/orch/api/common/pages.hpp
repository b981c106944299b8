// Files that are part of the program: put into it by the build (cmake/Embed.cmake), served as they are.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::orch::common {

struct Page {
  std::string_view path;  // on the listener
  std::string_view content_type;
  std::string_view body;
};

// The OpenAPI document: of all dialects, or of what has one of these patterns of a router.
[[nodiscard]] std::string openapi_document();
[[nodiscard]] std::string openapi_document(const std::vector<std::string>& patterns);

// The page that shows it.
[[nodiscard]] std::span<const Page> pages();

}  // namespace sandboxd::orch::common
