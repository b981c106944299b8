// One connection to an agent as a state machine: bytes in, bytes out, no socket.
//
// Nothing that the agent sends is trusted. feed() fails at the first broken rule and the connection then ends; until
// there a Link holds at most: one frame, kStreamsMax calls' credit of data, kCallsMax calls with one reply each, and
// kOutputMax bytes that wait to be sent.
#pragma once

#include "agent/protocol.hpp"
#include "base/result.hpp"
#include "guestlink/call.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace sandboxd::guestlink {

inline constexpr std::size_t kStreamsMax = 128;              // calls with data, open at once
inline constexpr std::size_t kOutputMax = 4 * 1024 * 1024;   // waiting to be sent
inline constexpr std::size_t kDataOutputMax = 256 * 1024;    // the same, before more data is queued
inline constexpr std::uint64_t kSendCreditMax = 1ULL << 30;  // more is not believed

class Link {
 public:
  struct Events {
    std::function<void(const agent::Hello&)> hello;
    std::function<void(const agent::Exited&)> exited;
    std::function<void()> wants_to_send;  // output() is no longer empty
  };
  Link(boost::asio::any_io_executor executor, Events events);

  // Errors: protocol_error, naming the rule.
  [[nodiscard]] Result<void> feed(std::string_view bytes);
  [[nodiscard]] bool has_greeted() const { return greeted_; }
  // Bytes of a frame that has not come whole.
  [[nodiscard]] std::size_t held_bytes() const { return held_.size(); }

  // Errors: resource_exhausted (too many calls, or the agent does not take them).
  [[nodiscard]] Result<CallPtr> open(agent::Type request, std::string payload);
  // Two requests that go out together, and are taken in this order.
  struct Two {
    CallPtr first;
    CallPtr second;
  };
  [[nodiscard]] Result<Two> open_two(agent::Type first, std::string first_payload, agent::Type second,
                                     std::string second_payload);
  // As much of `bytes` as credit and queue allow now; returns how much.
  [[nodiscard]] std::size_t send_data(const CallPtr& call, std::string_view bytes);
  void send_eof(const CallPtr& call);
  // Grants what was read again, once it is worth a frame.
  void return_credit(const CallPtr& call, std::size_t bytes);
  // Nobody reads the call any more. Its number stays taken until the agent has answered.
  void abandon(const CallPtr& call);
  // Every open call fails so; nothing more may be opened.
  void end(const Error& error);
  [[nodiscard]] bool has_ended() const { return ended_.has_value(); }

  // Everything that waits to be sent, once.
  [[nodiscard]] std::string take_output();
  [[nodiscard]] std::size_t output_bytes() const { return output_.size(); }
  // The output was written: who waits for room may go on.
  void output_written();

 private:
  Result<void> complete_held(std::string_view& bytes);
  Result<void> take(const agent::Header& header, std::string_view payload);
  Result<void> take_event(agent::Type type, std::string_view payload);
  Result<void> take_data(Call& call, std::string_view payload);
  Result<void> take_credit(Call& call, std::string_view payload);
  Result<void> take_end(const CallPtr& call, agent::Type type, std::string_view payload);
  void queue(agent::Type type, std::uint32_t call, std::string_view payload);

  boost::asio::any_io_executor executor_;
  Events events_;
  std::string held_;
  std::string output_;
  bool is_held_back_ = false;  // more is to go along
  std::map<std::uint32_t, CallPtr> calls_;
  std::size_t streams_ = 0;
  std::uint32_t next_ = 1;
  bool greeted_ = false;
  std::optional<Error> ended_;
};

}  // namespace sandboxd::guestlink
