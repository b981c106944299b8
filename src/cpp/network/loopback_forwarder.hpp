// Makes published ports answer on 127.0.0.1: a listener per port in this process, each connection carried to the
// sandbox's address. (DNAT of loopback traffic would need route_localnet, which opens the host's own loopback services
// to its network neighbours.)
//
// TCP: both directions with back-pressure (one buffer each way) and half-close; at most kConnectionsMax per port, more
// wait in the kernel's queue. UDP: one session per client address, at most kSessionsMax per port, the one idle longest
// makes room; a session ends after kSessionIdle. Holding the port also keeps other programs from taking it.
// Core thread. Lives as long as the process: HostNetwork opens the adopted ports again after a restart.
#pragma once

#include "aio/task_group.hpp"
#include "base/result.hpp"
#include "model/spec.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace sandboxd::network {

class LoopbackForwarder {
 public:
  static constexpr std::size_t kConnectionsMax = 1024;
  static constexpr std::size_t kSessionsMax = 256;
  static constexpr std::chrono::seconds kSessionIdle{60};

  // One open port. close() ends the listener and everything that it carries; idempotent.
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void close() = 0;
  };

  explicit LoopbackForwarder(boost::asio::any_io_executor executor);
  ~LoopbackForwarder();

  // Forwards 127.0.0.1:<host_port> to `ip`. Idempotent for the same target; a new target replaces the old one.
  // Errors: port_of_another_program().
  [[nodiscard]] Result<void> open(const model::PublishedPort& port, const std::string& ip);
  void close(int host_port, model::Protocol protocol);
  [[nodiscard]] bool is_open(int host_port, model::Protocol protocol) const;

  // Closes everything and waits until nothing of it runs.
  [[nodiscard]] Task<void> stop();

 private:
  struct Entry {
    std::string ip;
    int container_port = 0;
    std::shared_ptr<Listener> listener;
  };

  boost::asio::any_io_executor executor_;
  aio::TaskGroup tasks_;
  std::map<std::pair<model::Protocol, int>, Entry> entries_;
};

// A sandbox of this node has it: resource_exhausted, since it may be going away.
[[nodiscard]] Error port_in_use(int host_port, model::Protocol protocol, std::string_view cause);
// It cannot be bound: conflict, since it takes another port.
[[nodiscard]] Error port_of_another_program(int host_port, model::Protocol protocol, const std::string& cause);

}  // namespace sandboxd::network
