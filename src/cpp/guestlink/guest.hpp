// What is kept of one container. Inner part of guest_agents.hpp.
#pragma once

#include "guestlink/guest_agents.hpp"

#include <cstddef>
#include <set>

namespace sandboxd::guestlink {

struct GuestAgents::Guest {
  Guest(const boost::asio::any_io_executor& executor, std::string key_in)
      : key(std::move(key_in)), acceptor(executor), changed(executor) {}

  std::string key;
  boost::asio::local::stream_protocol::acceptor acceptor;
  std::set<ConnectionPtr> connections;  // also those that have not said hello
  ConnectionPtr live;
  std::optional<std::uint64_t> life;
  std::optional<ports::GuestStart> start;
  std::size_t pending_events = 0;
  bool was_told_off = false;  // its first broken rule was logged
  bool is_gone = false;
  aio::Notifier changed;  // connected, events taken, gone
};

}  // namespace sandboxd::guestlink
