#include "orch/api/common/pages.hpp"

#include "orch/api/common/embedded_pages.hpp"

#include <array>

namespace sandboxd::orch::common {

std::span<const Page> pages() {
  static const std::array<Page, 6> kPages{{
      {"/openapi.json", "application/json; charset=utf-8", embedded::openapi_json},
      {"/swagger/doc.json", "application/json; charset=utf-8", embedded::openapi_json},
      {"/swagger/", "text/html; charset=utf-8", embedded::page_html},
      {"/swagger/index.html", "text/html; charset=utf-8", embedded::page_html},
      {"/swagger/page.css", "text/css; charset=utf-8", embedded::page_css},
      {"/swagger/page.js", "text/javascript; charset=utf-8", embedded::page_js},
  }};
  return kPages;
}

}  // namespace sandboxd::orch::common
