#include "orch/api/common/routes.hpp"

#include "base/error.hpp"
#include "codec/json.hpp"
#include "orch/api/common/metrics.hpp"
#include "orch/api/common/pages.hpp"

#include <string>
#include <utility>
#include <vector>

namespace sandboxd::orch::common {
namespace {

// The page may load what this server has, and nothing else.
constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'";

Task<http::Response> readyz(Operations& operations, http::Request) {
  const auto ready = co_await operations.check_ready();
  http::Response response;
  response.headers.emplace_back("Cache-Control", "no-store");
  if (ready) {
    codec::json::object body;
    body["ok"] = true;
    if (const std::size_t damaged = operations.damaged_records(); damaged > 0) body["damaged_records"] = damaged;
    response.body = codec::write_json(body);
    co_return response;
  }
  codec::json::object body;
  body["error"] = "not ready: " + ready.error().message();
  response.status = 503;
  response.body = codec::write_json(body);
  response.headers.emplace_back("Retry-After", "1");
  response.headers.emplace_back("X-Sandboxd-Error", std::string(to_string(ready.error().code())));
  co_return response;
}

Task<http::Response> metrics(const Operations& operations, std::shared_ptr<const http::Traffic> traffic,
                             std::shared_ptr<const http::Traffic> proxy) {
  http::Response response;
  response.content_type = kMetricsType;
  response.body = metrics_text(operations.figures(), *traffic, *proxy, log_drops());
  co_return response;
}

Task<http::Response> page(std::string_view content_type, std::string_view body) {
  http::Response response;
  response.content_type = content_type;
  response.body = body;
  response.headers.emplace_back("Content-Security-Policy", kPolicy);
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  response.headers.emplace_back("Cache-Control", "no-cache");
  co_return response;
}

Task<http::Response> to_index(http::Request) {
  http::Response response;
  response.status = 301;
  response.headers.emplace_back("Location", "/swagger/");
  response.content_type = "text/html; charset=utf-8";
  co_return response;
}

Result<void> add(http::Router& router, std::string pattern, http::Handler handler, bool needs_auth) {
  http::Route route;
  route.method = "GET";
  route.pattern = std::move(pattern);
  route.handler = std::move(handler);
  route.needs_auth = needs_auth;
  return router.add(std::move(route));
}

// What this listener serves, which is known when everything else is there.
Result<void> add_document(http::Router& router) {
  std::vector<std::string> patterns{"/openapi.json"};
  for (auto& [method, pattern] : router.routes()) patterns.push_back(std::move(pattern));
  const auto text = std::make_shared<const std::string>(openapi_document(patterns));
  for (const char* path : {"/openapi.json", "/swagger/doc.json"}) {
    const auto show = [text](const http::Request&) { return page("application/json; charset=utf-8", *text); };
    SBX_CHECK(add(router, path, show, false));
  }
  return {};
}

}  // namespace

Result<void> add_routes(http::Router& router, Operations& operations, std::shared_ptr<const http::Traffic> traffic,
                        std::shared_ptr<const http::Traffic> proxy) {
  SBX_CHECK(add(
      router, "/readyz", [&operations](http::Request request) { return readyz(operations, std::move(request)); },
      false));
  SBX_CHECK(add(
      router, "/metrics",
      [&operations, traffic = std::move(traffic), proxy = std::move(proxy)](const http::Request&) {
        return metrics(operations, traffic, proxy);
      },
      true));
  for (const Page& one : pages()) {
    const auto show = [&one](const http::Request&) { return page(one.content_type, one.body); };
    SBX_CHECK(add(router, std::string(one.path), show, false));
  }
  SBX_CHECK(add_document(router));
  return add(router, "/swagger", to_index, false);
}
}  // namespace sandboxd::orch::common
