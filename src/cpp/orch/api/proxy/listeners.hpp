// The listeners of the reverse proxy. Core thread.
#pragma once

#include "base/endpoint.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "http/server.hpp"
#include "orch/api/proxy/proxy.hpp"

#include <memory>
#include <vector>

namespace sandboxd::orch::proxy {

class Listeners {
 public:
  Listeners(boost::asio::any_io_executor executor, FindTarget find, ProxyOptions options);

  // Errors: those of http::Server::start(), unless `may_do_without`: then a listener that cannot be had is warned of.
  [[nodiscard]] Result<void> start(const std::vector<Endpoint>& endpoints, bool may_do_without);
  [[nodiscard]] Task<void> stop(Duration drain);
  [[nodiscard]] std::vector<int> ports() const;

 private:
  boost::asio::any_io_executor executor_;
  HostProxy proxy_;
  std::vector<std::unique_ptr<http::Server>> servers_;
};

}  // namespace sandboxd::orch::proxy
