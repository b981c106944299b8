// One client connection: connecting and an HTTP exchange, with a deadline. Inner part of client.hpp and the prober.
//
// The deadline closes the socket, so whatever waits on it ends at once and finds has_timed_out(). Shared ownership: the
// coroutine that uses the connection holds it, and the timer's handler only weakly.
#pragma once

#include "aio/task_group.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "http/client.hpp"
#include "http/parser.hpp"
#include "http/read_buffer.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/error_code.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace sandboxd::http {

// The request as bytes (without its body), or invalid_argument for what would not be one header.
[[nodiscard]] Result<std::string> format_request(const ClientRequest& request);

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using SteadyTime = std::chrono::steady_clock::time_point;

  Connection(boost::asio::any_io_executor executor, std::string peer);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // A new connection to `host`, an IP address. Errors: invalid_argument, unavailable "connect to 10.0.0.1:8080:
  // connection refused", deadline_exceeded, resource_exhausted.
  [[nodiscard]] static Task<Result<std::shared_ptr<Connection>>> open(boost::asio::any_io_executor executor,
                                                                      std::string host, int port, Duration timeout);

  // Closes the connection at `deadline` unless another call comes first. Costs two stores, mostly: the timer is left to
  // run from one exchange to the next, and what it finds when it wakes counts.
  void set_deadline(SteadyTime deadline);
  void clear_deadline();
  [[nodiscard]] bool has_timed_out() const { return has_timed_out_; }
  void close();

  // Sends a request and reads the header of its answer into `parser`. A send that fails because the server already
  // answered and closed is no failure.
  [[nodiscard]] Task<Result<void>> exchange_header(std::string head, std::string body);
  // The same with a body that is sent while it is read. `patience` is the limit for each step of it; the caller's
  // deadline does not count. A refusal (400 and above) that comes first ends the body; any other answer is returned
  // when the body was sent, since whoever gives it may want the rest. Errors of the body's source come back as they
  // are.
  [[nodiscard]] Task<Result<void>> exchange_header(std::string head, std::shared_ptr<BodyReader> body,
                                                   Duration patience);
  // The same, but returns with the answer's header while the body is still sent; a refusal ends it.
  [[nodiscard]] Task<Result<void>> exchange_duplex(std::string head, std::shared_ptr<BodyReader> body,
                                                   Duration patience);
  [[nodiscard]] bool is_sending() const { return sending_ && sending_->size() > 0; }
  [[nodiscard]] static Task<void> wait_until_sent(std::shared_ptr<Connection> self);
  // Closes it and ends the sending.
  void abandon();
  // Reads more of the body into the parser. False at its end.
  [[nodiscard]] Task<Result<bool>> read_more();

  // Whether the answer's end has come, as far as that is known without waiting.
  [[nodiscard]] bool has_whole_answer();
  // Of a body of known length, after `taken` bytes of it: how many are still in the socket, or to come there. 0 when
  // some are elsewhere.
  [[nodiscard]] std::uint64_t raw_bytes_left(std::uint64_t taken);
  // What of them has come, at least one byte, into a pipe, past the parser: the connection carries no other exchange.
  [[nodiscard]] Task<Result<std::size_t>> move_into(int pipe, std::size_t room);

  // The socket with what was received behind the answer's header.
  [[nodiscard]] PrefixedSocket take_socket();

  [[nodiscard]] ResponseParser& parser() { return *parser_; }
  // The exchange is over and the server keeps the connection: it may carry another one.
  [[nodiscard]] bool is_reusable() const;
  // The connection was closed before a byte of the answer came: the server may have dropped it while it was idle.
  [[nodiscard]] bool was_stale() const { return !has_received_ && is_cut_; }
  // Still open, as far as the kernel knows, and nothing unasked has arrived.
  [[nodiscard]] bool is_alive();
  [[nodiscard]] const std::string& peer() const { return peer_; }

  std::chrono::steady_clock::time_point idle_since;  // for the pool

 private:
  struct Upload;  // what is known of a body under way
  Task<Result<void>> read_header(boost::system::error_code write_error);
  static Task<Result<void>> read_answer(std::shared_ptr<Connection> self);
  static Task<void> upload(std::shared_ptr<Connection> self, std::string head, std::shared_ptr<Upload> upload);
  void begin_exchange(const std::string& head);
  void allow_sending(Duration patience);
  void wake_at(SteadyTime time);
  Error failure(const boost::system::error_code& error) const;
  Task<boost::system::error_code> receive(std::size_t count);

  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  std::string peer_;
  ReadBuffer buffer_;
  std::optional<ResponseParser> parser_;
  std::optional<aio::TaskGroup> sending_;            // of a duplex exchange
  SteadyTime deadline_ = SteadyTime::max();          // max(): none
  SteadyTime sending_deadline_ = SteadyTime::max();  // of a piece of the body
  SteadyTime wakes_at_ = SteadyTime::max();          // when the timer expires; max(): it does not run
  std::size_t read_bytes_ = 0;                       // of the body, at a time
  std::optional<Error> source_failure_;              // of the body that is sent
  bool has_timed_out_ = false;
  bool has_received_ = false;
  bool is_cut_ = false;
  bool is_head_ = false;
  bool is_sent_ = false;  // the whole request
};

}  // namespace sandboxd::http
