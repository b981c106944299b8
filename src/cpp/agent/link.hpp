// The connection to the node: made again after every break, for ever. Nothing waits for it.
#pragma once

#include "agent/loop.hpp"
#include "agent/protocol.hpp"
#include "agent/session.hpp"

#include <functional>
#include <memory>
#include <string>

namespace sandboxd::agent {

class Link {
 public:
  Link(Loop& loop, Requests& requests, std::string socket, std::function<Hello()> hello)
      : loop_(loop), requests_(requests), socket_(std::move(socket)), hello_(std::move(hello)) {}

  void connect();
  template <class T>
  void send_event(Type type, const T& message) {
    if (session_) session_->send_event(type, message);
  }
  // One slice of the calls and what the socket takes. True: there is more to do at once.
  bool step();
  // Everything was given to the socket, or there is none.
  [[nodiscard]] bool is_flushed() const { return !session_ || session_->outbox().empty(); }
  [[nodiscard]] bool is_connected() const { return session_ != nullptr; }

 private:
  void on_ready(std::uint32_t events);
  [[nodiscard]] bool receive();
  [[nodiscard]] bool flush();
  void disconnect();

  Loop& loop_;
  Requests& requests_;
  std::string socket_;
  std::function<Hello()> hello_;
  Fd fd_;
  std::unique_ptr<Session> session_;
  std::int64_t connected_at_ = 0;
  std::int64_t delay_ns_ = 1'000'000;
};

}  // namespace sandboxd::agent
