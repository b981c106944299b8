// One connection of a server: reads requests one after the other, answers them, and ends. Inner part of server.hpp.
//
// The session's coroutine owns the session, and the session shares the server's state, so nothing dangles while one of
// them is suspended. Times are deadlines that the server's sweep compares with the clock: setting one is a store.
#pragma once

#include "aio/notifier.hpp"
#include "aio/task_group.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "base/task.hpp"
#include "http/parser.hpp"
#include "http/read_buffer.hpp"
#include "http/server.hpp"
#include "http/web_socket.hpp"
#include "http/wire.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace sandboxd::http {

class Session;

inline constexpr std::size_t kLingerBytesMax = 64 * 1024 * 1024;  // of a body that nobody wants any more

// What the sessions of one server share.
struct ServerState {
  ServerState(boost::asio::any_io_executor e, Router r, ServerOptions o)
      : executor(e), router(std::move(r)), options(std::move(o)), log(options.log_name), tasks(e) {}

  boost::asio::any_io_executor executor;
  Router router;
  ServerOptions options;
  Log log;  // refers to options.log_name
  Random random{seed_from_system()};
  aio::TaskGroup tasks;  // the sessions
  std::list<Session*> sessions;
  std::list<Session*> idle;  // the longest idle first
  bool is_stopping = false;
};

class Session {
 public:
  Session(boost::asio::ip::tcp::socket socket, std::shared_ptr<ServerState> server);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Serves the connection to its end. Throws only when cancelled.
  [[nodiscard]] static Task<void> run(std::shared_ptr<Session> self);
  // Answers 503 and ends: for connections over the limit.
  [[nodiscard]] static Task<void> refuse(std::shared_ptr<Session> self);

  // Interrupts what waits for the client when its time is over.
  void check_deadline(std::chrono::steady_clock::time_point now);
  // Ends the connection if it is idle or streams; a request under way is finished first.
  void begin_stop();
  // Ends the connection now.
  void abort();
  // Ends it, to make room, if it has been idle since before `latest`.
  bool evict(std::chrono::steady_clock::time_point latest);
  // A handler is at work.
  [[nodiscard]] bool is_busy() const { return activity_ == Activity::handling; }

 private:
  enum class Activity { idle, reading, handling, writing, draining, lingering };
  enum class Outcome { complete, ended, timed_out, fault };

  class Body;  // what a handler reads its request's body with

  // Each returns whether the connection may carry another request.
  Task<bool> serve();
  Task<bool> handle(const Route* route);
  Task<bool> answer_handled(Response response, std::exception_ptr failure);
  Task<bool> answer(Response response);
  Task<bool> answer_early(Response response);  // without having read the whole request
  Task<bool> answer_fault(Outcome outcome);
  Task<bool> answer_stream(Response response, ResponseHead head);
  // Answers while the handler still reads the request's body.
  Task<bool> answer_duplex(Response response, ResponseHead head, bool has_stream);
  Task<void> end_reading();
  [[nodiscard]] bool is_bodiless(const Response& response) const;
  // How the answer's body is framed. True when a stream is to be sent.
  bool frame(const Response& response, ResponseHead* head);
  Task<void> answer_switch(Response response, ResponseHead head);

  Task<Outcome> read_header();
  Task<Outcome> read_body();
  Task<bool> send_continue();
  Task<Result<std::optional<std::string>>> read_piece();
  Task<boost::system::error_code> wait_for_request();
  [[nodiscard]] bool is_whole() const;  // the request was read to its end
  Task<boost::system::error_code> receive(std::size_t count);
  Task<bool> send(std::string head, std::string body);
  Task<bool> send_piece(std::string head, std::string piece, bool is_chunk);
  Task<void> linger();

  static Task<void> pump(std::shared_ptr<Session> self, std::shared_ptr<BodyStream> stream, BodyFraming framing);
  // The rest of a stream that can go from socket to socket; nothing of others. Throws what next() would.
  static Task<void> pump_raw(std::shared_ptr<Session> self, std::shared_ptr<BodyStream> stream);
  Task<bool> send_raw(int pipe, std::size_t count);
  static Task<void> watch_client(std::shared_ptr<Session> self);
  static Task<bool> send_answer(std::shared_ptr<Session> self, std::shared_ptr<BodyStream> stream, BodyFraming framing);
  static Task<bool> read_on(std::shared_ptr<Session> self, std::function<Task<void>()> reads_on);
  static Task<bool> watch_duplex(std::shared_ptr<Session> self);
  // Handles a request whose body the handler reads. False when the client is gone.
  static Task<bool> handle_body(std::shared_ptr<Session> self, const Route* route, Response* response,
                                std::exception_ptr* failure);
  static Task<bool> watch_handled(std::shared_ptr<Session> self);  // true: the client is gone
  static Task<void> serve_switched(std::shared_ptr<Session> self, Response response, std::shared_ptr<ByteStream> bytes);
  static Task<void> wait_for_end(std::shared_ptr<Session> self);

  bool count_sent(std::size_t bytes);  // of a stream with a length; false when that is exceeded
  void start_request();                // its header was read, or as much of it as there will be
  Response error(int status, std::string_view message);
  void log_failure(std::string_view what, const std::exception_ptr& failure);
  void log_answer(int status, bool is_stream);
  void set_deadline(Activity activity, Duration limit);
  void clear_deadline(Activity activity);
  void be(Activity activity);

  boost::asio::ip::tcp::socket socket_;
  std::shared_ptr<ServerState> server_;
  std::list<Session*>::iterator place_;
  std::weak_ptr<Session> self_;
  ReadBuffer buffer_;
  RequestParser parser_;
  std::string peer_address_;

  // Of the request under way; the handler takes the request itself.
  std::string method_;
  std::string path_;
  std::string query_;
  std::string user_agent_;
  std::string request_id_;
  const Route* route_ = nullptr;  // nullptr: none took it
  std::chrono::steady_clock::time_point started_;

  std::chrono::steady_clock::time_point deadline_;  // max(): none
  Activity activity_ = Activity::handling;
  std::chrono::steady_clock::time_point idle_since_;
  std::optional<std::list<Session*>::iterator> idle_place_;
  std::shared_ptr<Body> body_;                 // while the handler may read
  Outcome body_outcome_ = Outcome::complete;   // of what the handler read
  std::shared_ptr<ByteStream> switched_;       // has the socket, after the protocol was switched
  std::shared_ptr<WebSocket> web_socket_;      // or this has it
  std::optional<aio::Notifier> switched_end_;  // notified when it is to end
  std::size_t read_bytes_ = 0;                 // of a body that the handler reads, at a time
  bool is_continued_ = false;                  // the client was told to send its body
  bool is_continuing_ = false;                 // it is being told
  bool is_duplex_ = false;                     // the body is read while the answer is sent
  bool is_answered_ = false;                   // and the answer is out
  std::uint64_t stream_left_ = 0;              // of a stream with a length
  bool is_expired_ = false;
  bool is_streaming_ = false;
  bool is_ending_ = false;  // the stream is to end
  bool is_gone_ = false;    // the client left, or we gave up on it
  bool is_broken_ = false;  // the stream failed: its end must not look regular
};

}  // namespace sandboxd::http
