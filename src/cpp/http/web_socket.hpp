// WebSockets (RFC 6455), of the server and of the client. Core thread; whoever awaits a call keeps the socket alive.
//
// A peer that stays silent is asked with pings; while a read waits, one that answers nothing for two intervals is gone.
// Fragments are joined, pings answered and text checked to be UTF-8 before a message comes out of read().
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "http/message.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace sandboxd::http {

struct WebSocketOptions {
  std::size_t message_bytes_max = 1024 * 1024;  // a larger one ends the connection with code 1009
  Duration ping_interval = std::chrono::seconds(20);
  Duration write_timeout = std::chrono::seconds(30);  // of one message
  Duration close_timeout = std::chrono::seconds(2);   // for the peer's part of closing
  std::string subprotocol;                            // the one that was chosen; empty: none
};

struct WebSocketMessage {
  std::string data;
  bool is_text = false;
};

// Close codes (RFC 6455, section 7.4.1).
inline constexpr int kCloseNormal = 1000;
inline constexpr int kCloseGoingAway = 1001;
inline constexpr int kCloseNoCode = 1005;  // the peer gave none
inline constexpr int kCloseLost = 1006;    // without a closing handshake
inline constexpr int kClosePolicy = 1008;
inline constexpr int kCloseTooLarge = 1009;
inline constexpr int kCloseInternal = 1011;

class WebSocket {
 public:
  virtual ~WebSocket() = default;
  // The next message; nullopt when the peer has closed in good order. Errors: unavailable, deadline_exceeded (silence),
  // too_large, protocol_error; each is the last word. One call at a time; throws when cancelled, and loses nothing.
  [[nodiscard]] virtual Task<Result<std::optional<WebSocketMessage>>> read() = 0;
  // Returns when the system has taken the message: a slow peer makes the writer wait, up to the time limit. Writers may
  // be many; their messages go out one after the other. A cancelled write closes the connection.
  [[nodiscard]] virtual Task<Result<void>> write(WebSocketMessage message) = 0;
  // Says goodbye and waits for the peer's answer, a while. Does nothing when the connection is over.
  [[nodiscard]] virtual Task<void> close(int code, std::string reason) = 0;
  // What the peer's close frame said, after read() gave nullopt.
  [[nodiscard]] virtual std::pair<int, std::string> peer_close() const = 0;
  // At once, without a goodbye.
  virtual void abort() = 0;
};

// The request wants a WebSocket, in a version that is spoken here.
[[nodiscard]] bool wants_web_socket(const Request& request);

using WebSocketRun = std::function<Task<void>(std::shared_ptr<WebSocket>)>;

struct WebSocketAnswer {
  Request request;  // that asked for it
  WebSocketRun run;
  WebSocketOptions options;
};

// The answer of a handler that goes on as a WebSocket; 426 when the request does not ask for one. After `run` the
// socket is closed: with 1000, with 1011 when it threw, with 1001 when the server stops (which cancels it).
[[nodiscard]] Response accept_web_socket(Request request, WebSocketRun run, WebSocketOptions options);

// Carries messages both ways until one side closes, and passes its close code on.
[[nodiscard]] Task<void> join_web_sockets(std::shared_ptr<WebSocket> left, std::shared_ptr<WebSocket> right);

}  // namespace sandboxd::http
