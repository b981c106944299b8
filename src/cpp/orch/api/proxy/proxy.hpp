// The reverse proxy: http://<name>.<base domain>/... is the main port of the sandbox of that name, and
// http://<port>-<name>.<base domain>/... any other port that it publishes.
//
// Each request is parsed, looked up and written anew: nothing that two parsers could read in two ways goes through.
// Bodies stream both ways at once, each at the pace of its slower side, WebSockets and other upgrades are tunnelled,
// and a client that leaves ends what was asked for it. Connections to sandboxes are not kept: a port may be another
// sandbox's a moment later. What cannot be reached is 502 with one text, whatever the reason, so that names cannot be
// guessed. Core thread.
#pragma once

#include "base/task.hpp"
#include "http/client.hpp"
#include "http/server.hpp"
#include "orch/host_names.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sandboxd::orch::proxy {

using FindTarget = std::function<Task<Result<HostTarget>>(std::string label)>;

struct ProxyOptions {
  std::string base_domain = "localhost";
  std::vector<std::string> trusted_proxies;            // addresses whose word about earlier hops is taken
  Duration connect_timeout = std::chrono::seconds(5);  // then 504
  Duration answer_timeout = std::chrono::hours(1);     // to the answer's header; then 504
  Duration silence_timeout = std::chrono::hours(1);    // in the middle of an answer or a tunnel
  std::size_t connections_max = 4096;                  // of one listener
  http::AccessLog access_log = http::AccessLog::all;
  std::shared_ptr<http::Traffic> traffic = std::make_shared<http::Traffic>();  // of all listeners
};

class HostProxy {
 public:
  HostProxy(boost::asio::any_io_executor executor, FindTarget find, ProxyOptions options);

  [[nodiscard]] Task<http::Response> handle(http::Request request);
  // One route for every method and path.
  [[nodiscard]] http::Router router();
  // Of a listener: no checks of origins (pages of sandboxes talk to each other as they like), no token.
  [[nodiscard]] http::ServerOptions server_options() const;

 private:
  [[nodiscard]] http::ClientRequest onward(http::Request& request, const HostTarget& target) const;
  [[nodiscard]] http::Response pass(std::unique_ptr<http::ClientStream> answer) const;

  http::Client client_;
  FindTarget find_;
  ProxyOptions options_;
};

}  // namespace sandboxd::orch::proxy
