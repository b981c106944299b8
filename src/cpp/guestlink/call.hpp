// One request to an agent, with what flows on it. Kept by the Link and by whoever made the call.
//
// What an agent sends before anybody reads it is bounded twice: by the credit that it was granted, and by the number of
// pieces, since a credit of bytes alone could be spent on a great many tiny ones. Pieces that follow each other are
// joined, unless each is a message of its own; where they cannot be and too many wait, the newest is dropped here.
#pragma once

#include "agent/protocol.hpp"
#include "aio/notifier.hpp"
#include "base/error.hpp"
#include "model/command.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

namespace sandboxd::guestlink {

inline constexpr std::size_t kPiecesMax = 256;       // waiting on one call
inline constexpr std::size_t kFileEventsMax = 4096;  // of a watch, waiting

struct Call {
  Call(const boost::asio::any_io_executor& executor, std::uint32_t number_in, agent::Type request_in)
      : number(number_in), request(request_in), changed(executor) {}

  [[nodiscard]] bool is_over() const { return reply.has_value() || failure.has_value(); }
  // Takes data in; returns how many bytes were dropped instead.
  std::size_t push(const agent::ChunkView& chunk);
  [[nodiscard]] std::optional<model::OutputPiece> pop();

  std::uint32_t number;
  agent::Type request;
  std::deque<model::OutputPiece> pieces;            // raw data has no positions: is_stderr is false, position 0
  std::uint64_t may_receive = agent::kCreditStart;  // what the agent may still send
  std::uint64_t unreturned = 0;                     // read or dropped here, not yet granted again
  std::uint64_t may_send = agent::kCreditStart;
  bool has_agent_ended = false;  // its eof came
  bool takes_no_more = false;    // of an attached command: its stdin is closed
  bool has_lost = false;         // pieces, since nobody read; the reader sets it back
  bool is_abandoned = false;     // cancelled: what still comes is thrown away
  std::optional<std::string> reply;
  std::optional<Error> failure;
  aio::Notifier changed;
};
using CallPtr = std::shared_ptr<Call>;

// Whether data comes from the agent, or goes to it, on calls of this kind.
[[nodiscard]] bool gives_data(agent::Type request);
[[nodiscard]] bool takes_data(agent::Type request);

// An errno from inside a sandbox as an Error with the agent's text.
[[nodiscard]] Error failed_error(const agent::Failed& failed);

}  // namespace sandboxd::guestlink
