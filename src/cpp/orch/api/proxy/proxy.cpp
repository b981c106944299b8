#include "orch/api/proxy/proxy.hpp"

#include "http/byte_stream.hpp"
#include "orch/api/proxy/headers.hpp"
#include "orch/api/proxy/host.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace sandboxd::orch::proxy {
namespace {

// How long a client may keep silent in the middle of what it sends, or take nothing of what it asked for.
constexpr auto kClientSilenceMax = std::chrono::minutes(5);

http::Response plain(int status, std::string text) {
  http::Response response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(text);
  return response;
}

http::Response unavailable() { return plain(502, "sandbox unavailable"); }

http::ClientOptions client_options(const ProxyOptions& options) {
  http::ClientOptions out;
  out.idle_per_host_max = 0;
  out.connect_timeout = options.connect_timeout;
  return out;
}

Task<void> carry(std::shared_ptr<http::ByteStream> client, std::shared_ptr<http::ByteStream> sandbox,
                 Duration silence) {
  const auto carried = co_await http::tunnel(std::move(client), std::move(sandbox), silence);
  static_cast<void>(carried);
}

}  // namespace

HostProxy::HostProxy(boost::asio::any_io_executor executor, FindTarget find, ProxyOptions options)
    : client_(std::move(executor), client_options(options)), find_(std::move(find)), options_(std::move(options)) {}

Task<http::Response> HostProxy::handle(http::Request request) {
  const auto label = label_of(request.header("Host"), options_.base_domain);
  if (!label) co_return plain(502, "no subdomain in request");
  const auto target = co_await find_(*label);
  if (!target) co_return unavailable();
  http::ClientRequest call = onward(request, *target);
  auto answer = co_await client_.open_stream(std::move(call));
  if (answer) co_return pass(*std::move(answer));
  if (answer.error().code() == ErrorCode::deadline_exceeded) co_return plain(504, "sandbox did not answer in time");
  co_return unavailable();
}

http::ClientRequest HostProxy::onward(http::Request& request, const HostTarget& target) const {
  http::ClientRequest call;
  call.host = target.address;
  call.port = target.port;
  call.method = request.method;
  call.target = request.target;
  call.host_header = request.header("Host");
  call.user_agent.clear();  // the client's own goes through
  const auto& trusted = options_.trusted_proxies;
  call.headers = request_headers(request, std::ranges::find(trusted, request.peer_address) != trusted.end());
  const bool has_body = request.body_reader &&
                        (request.body_reader->length().value_or(0) > 0 || !request.header("Transfer-Encoding").empty());
  if (has_body) call.body_stream = std::move(request.body_reader);
  call.is_duplex = true;
  const std::string_view protocol = wanted_protocol(request);
  if (!protocol.empty() && !has_body) {
    call.headers.emplace_back("Connection", "Upgrade");
    call.headers.emplace_back("Upgrade", protocol);
  }
  call.timeout = options_.answer_timeout;
  return call;
}

http::Response HostProxy::pass(std::unique_ptr<http::ClientStream> answer) const {
  http::Response response;
  response.status = answer->status();
  response.content_type = answer->content_type();
  response.headers = response_headers(answer->headers());
  if (response.status == 101) {
    response.headers.emplace_back("Upgrade", answer->header("Upgrade"));
    const std::shared_ptr<http::ByteStream> sandbox = answer->take_over();
    response.takes_over = [sandbox, silence = options_.silence_timeout](std::shared_ptr<http::ByteStream> client) {
      return carry(std::move(client), sandbox, silence);
    };
    return response;
  }
  response.stream_length = answer->length();
  response.reads_on = answer->rest_of_request();
  response.stream = http::pass_on(std::move(answer), options_.silence_timeout);
  return response;
}

http::Router HostProxy::router() {
  http::Router router;
  http::Route route;
  route.method = http::kAnyMethod;
  route.pattern = "/{path...}";
  route.handler = [this](http::Request request) { return handle(std::move(request)); };
  route.needs_auth = false;
  route.body_bytes_max = std::numeric_limits<std::size_t>::max();
  route.streams_body = true;
  const auto added = router.add(std::move(route));
  static_cast<void>(added);  // the only route: nothing to be in conflict with
  return router;
}

http::ServerOptions HostProxy::server_options() const {
  http::ServerOptions options;
  options.check_origin = false;
  options.names_requests = false;
  options.log_name = "proxy";
  options.access_log = options_.access_log;
  options.traffic = options_.traffic;
  options.connections_max = options_.connections_max;
  options.body_timeout = kClientSilenceMax;
  options.write_timeout = kClientSilenceMax;
  options.error_response = [](int status, std::string_view message, const http::Request&) {
    return plain(status, std::string(message));
  };
  return options;
}

}  // namespace sandboxd::orch::proxy
