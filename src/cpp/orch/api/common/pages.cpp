#include "orch/api/common/pages.hpp"

#include "base/assert.hpp"
#include "codec/json.hpp"
#include "orch/api/common/embedded_pages.hpp"

#include <algorithm>
#include <array>

namespace sandboxd::orch::common {
namespace {

namespace json = codec::json;

json::value parsed(std::string_view text) {
  auto document = codec::read_json(text);
  SBX_ASSERT(document.has_value());  // it is part of the program
  return *std::move(document);
}

// One document of all dialects.
json::value whole_document() {
  json::value document = parsed(embedded::openapi_json);
  json::value more = parsed(embedded::opensbx_json);
  json::object& out = document.as_object();
  for (json::value& tag : more.at("tags").as_array()) out.at("tags").as_array().push_back(std::move(tag));
  for (auto& path : more.at("paths").as_object()) out.at("paths").as_object().insert(path);
  json::object& schemas = out.at("components").as_object().at("schemas").as_object();
  for (auto& schema : more.at("schemas").as_object()) schemas.insert(schema);
  return document;
}

// A pattern of the router as the document writes it.
std::string as_described(std::string pattern) {
  if (const std::size_t rest = pattern.find("...}"); rest != std::string::npos) pattern.erase(rest, 3);
  return pattern;
}

}  // namespace

std::string openapi_document() { return codec::write_json(whole_document()); }

std::string openapi_document(const std::vector<std::string>& patterns) {
  json::value document = whole_document();
  json::object served;
  for (auto& path : document.at("paths").as_object()) {
    const auto is_it = [&](const std::string& pattern) { return as_described(pattern) == path.key(); };
    if (std::ranges::any_of(patterns, is_it)) served.insert(path);
  }
  document.as_object().at("paths") = std::move(served);
  return codec::write_json(document);
}

std::span<const Page> pages() {
  static const std::array<Page, 4> kPages{{
      {"/swagger/", "text/html; charset=utf-8", embedded::page_html},
      {"/swagger/index.html", "text/html; charset=utf-8", embedded::page_html},
      {"/swagger/page.css", "text/css; charset=utf-8", embedded::page_css},
      {"/swagger/page.js", "text/javascript; charset=utf-8", embedded::page_js},
  }};
  return kPages;
}

}  // namespace sandboxd::orch::common
