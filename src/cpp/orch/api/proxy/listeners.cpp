#include "orch/api/proxy/listeners.hpp"

#include "base/log.hpp"

#include <utility>

namespace sandboxd::orch::proxy {
namespace {

constexpr Log kLog("proxy");

}  // namespace

Listeners::Listeners(boost::asio::any_io_executor executor, FindTarget find, ProxyOptions options)
    : executor_(executor), proxy_(executor, std::move(find), std::move(options)) {}

Result<void> Listeners::start(const std::vector<Endpoint>& endpoints, bool may_do_without) {
  for (const Endpoint& endpoint : endpoints) {
    http::ServerOptions options = proxy_.server_options();
    options.address = endpoint.address;
    options.port = endpoint.port;
    auto server = std::make_unique<http::Server>(executor_, proxy_.router(), std::move(options));
    const auto started = server->start();
    if (!started && !may_do_without) return started.error().with_context("proxy_listen");
    if (!started) {
      kLog.warn("no reverse proxy: set proxy_listen to an address that is free, or to nothing",
                {{"error", started.error().message()}});
      continue;
    }
    kLog.info("reverse proxy ready", {{"address", endpoint.address}, {"port", server->port()}});
    servers_.push_back(std::move(server));
  }
  return {};
}

Task<void> Listeners::stop(Duration drain) {
  for (const auto& server : servers_) co_await server->stop(drain);
}

std::vector<int> Listeners::ports() const {
  std::vector<int> out;
  for (const auto& server : servers_) out.push_back(server->port());
  return out;
}

}  // namespace sandboxd::orch::proxy
