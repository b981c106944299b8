// A Link on its socket. Kept alive by its own reads and writes, and by whoever has a call on it.
#pragma once

#include "base/error.hpp"
#include "base/task.hpp"
#include "guestlink/link.hpp"

#include <boost/asio/local/stream_protocol.hpp>

#include <cstddef>
#include <memory>
#include <string>

namespace sandboxd::guestlink {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Socket = boost::asio::local::stream_protocol::socket;

  struct Events {
    std::function<void(const std::shared_ptr<Connection>&, const agent::Hello&)> hello;
    std::function<void(const agent::Exited&)> exited;
    // Awaited before every read: whoever cannot take more events holds up this agent alone.
    std::function<Task<void>()> ready_for_more;
  };
  [[nodiscard]] static std::shared_ptr<Connection> make(Socket socket, Events events);

  // Reads to the end of the connection; returns why it ended. Throws when cancelled.
  [[nodiscard]] Task<Error> run();
  void close(const Error& error);
  [[nodiscard]] Link& link() { return link_; }

 private:
  Connection(Socket socket, Events events);
  void write();

  Socket socket_;
  Events events_;
  Link link_;
  std::string writing_;  // what the socket is given now
  bool is_writing_ = false;
};
using ConnectionPtr = std::shared_ptr<Connection>;

}  // namespace sandboxd::guestlink
