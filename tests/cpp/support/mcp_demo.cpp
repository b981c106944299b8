// An MCP server with three tools, for tests with other people's clients: prints its port, then serves until its input
// ends.
#include "aio/io_runtime.hpp"
#include "aio/system_clock.hpp"
#include "base/random.hpp"
#include "http/server.hpp"
#include "orch/api/mcp/server.hpp"

#include <cstdio>
#include <memory>
#include <string>

namespace {

using namespace sandboxd;
namespace json = codec::json;

Task<Result<json::value>> add(json::object arguments, orch::mcp::TellProgress) {
  json::object out;
  out["sum"] = arguments["a"].to_number<std::int64_t>() + arguments["b"].to_number<std::int64_t>();
  co_return json::value(out);
}

// Never ends by itself.
Task<Result<json::value>> wait(ports::Clock* clock) {
  co_await clock->sleep_for(std::chrono::hours(24));
  co_return json::value("woke up");
}

Task<Result<json::value>> refuse(json::object, orch::mcp::TellProgress) {
  co_return Error(ErrorCode::not_found, "sandbox not found");
}

}  // namespace

int main() {
  aio::IoRuntime runtime("mcp-demo");
  aio::SystemClock clock;
  const auto offer = std::make_shared<orch::mcp::Offer>();
  offer->info = {"opensbx", "1.0.0", "Be brief."};
  orch::mcp::Tools& tools = offer->tools;
  const json::object numbers =
      json::parse(R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}},
        "required":["a","b"],"additionalProperties":false})")
          .as_object();
  json::object nothing;
  nothing["type"] = "object";
  if (!tools.add({"add", "Adds two numbers.", numbers, add})) return 1;
  if (!tools.add({"refuse", "Always fails.", nothing, refuse})) return 1;
  if (!tools.add({"wait", "Never ends.", nothing,
                  [&clock](json::object, const orch::mcp::TellProgress&) { return wait(&clock); }}))
    return 1;
  orch::mcp::McpOptions options;
  options.intervals.progress = std::chrono::milliseconds(20);
  const auto server = std::make_shared<orch::mcp::McpServer>(
      offer, runtime.context().get_executor(), clock, [] { return Random(seed_from_system()).hex(32); }, options);
  http::Router router;
  if (!server->add_routes(router, "/v1/mcp")) return 1;
  http::Server listener(runtime.context().get_executor(), std::move(router), {});
  if (!listener.start()) return 1;
  runtime.start();
  std::printf("%d\n", listener.port());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  runtime.run(listener.stop(Duration::zero()));
  runtime.run(server->stop());
  runtime.stop();
  return 0;
}
