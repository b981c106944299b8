// Readiness probes over real sockets (ports/prober.hpp). A probe's connection is its own and never reused: what is
// asked is whether a new client would be served.
#pragma once

#include "http/client.hpp"
#include "ports/prober.hpp"

#include <boost/asio/any_io_executor.hpp>

namespace sandboxd::http {

class SocketProber final : public ports::Prober {
 public:
  explicit SocketProber(boost::asio::any_io_executor executor);

  [[nodiscard]] Task<Result<void>> probe(ports::ProbeTarget target, Duration timeout) override;

 private:
  Task<Result<void>> probe_tcp(ports::ProbeTarget target, Duration timeout);
  Task<Result<void>> probe_http(ports::ProbeTarget target, Duration timeout);

  boost::asio::any_io_executor executor_;
  Client client_;
};

}  // namespace sandboxd::http
