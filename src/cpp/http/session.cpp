#include "http/session.hpp"

#include "aio/transfer_whole.hpp"
#include "http/byte_stream.hpp"
#include "http/target.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <variant>

namespace sandboxd::http {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kHeaderReadBytes = 4 * 1024;
constexpr std::size_t kBodyReadBytes = 64 * 1024;

Response not_found() {
  Response response;
  response.status = 404;
  response.headers.emplace_back(kErrorHeader, error_name(404));
  response.content_type = "text/plain";
  response.body = "404 page not found";
  return response;
}

Response redirect(const Request& request, const Redirect& to) {
  Response response;
  response.status = to.status;
  const std::size_t query = request.target.find('?');
  const std::string location = to.location + (query == std::string::npos ? "" : request.target.substr(query));
  response.headers.emplace_back("Location", location);
  response.content_type.clear();
  if (to.status == 301) {
    response.content_type = "text/html; charset=utf-8";
    response.body = "<p>This page is at its address without the superfluous slash.</p>\n";
  }
  return response;
}

}  // namespace

Session::Session(asio::ip::tcp::socket socket, std::shared_ptr<ServerState> server)
    : socket_(std::move(socket)),
      server_(std::move(server)),
      place_(server_->sessions.insert(server_->sessions.end(), this)),
      parser_(server_->options.header_bytes_max),
      started_(Clock::now()),
      deadline_(Clock::time_point::max()) {
  boost::system::error_code error;
  const auto peer = socket_.remote_endpoint(error);
  if (!error) peer_address_ = peer.address().to_string();
  ++server_->options.traffic->connections;
}

Session::~Session() {
  be(Activity::handling);
  server_->sessions.erase(place_);
  --server_->options.traffic->connections;
}

Task<void> Session::run(std::shared_ptr<Session> self) {
  self->self_ = self;
  bool goes_on = true;
  while (goes_on && !self->is_gone_) goes_on = co_await self->serve();
}

Task<void> Session::refuse(std::shared_ptr<Session> self) {
  self->start_request();
  Response response = self->error(503, "too many connections: try again later");
  response.headers.emplace_back("Retry-After", "1");
  co_await self->answer_early(std::move(response));
}

void Session::check_deadline(Clock::time_point now) {
  if (now < deadline_) return;
  if (activity_ == Activity::reading || activity_ == Activity::writing) ++server_->options.traffic->timed_out;
  is_expired_ = true;
  deadline_ = Clock::time_point::max();
  if (activity_ == Activity::writing || activity_ == Activity::draining) {
    abort();
    return;
  }
  boost::system::error_code ignored;
  socket_.cancel(ignored);  // the read ends; its coroutine sees is_expired_
}

void Session::begin_stop() {
  is_ending_ = true;
  if (activity_ != Activity::idle && !is_streaming_) return;
  // The pending read ends as if the client had gone. A request that has already arrived is still read and answered, and
  // what is being written is not disturbed.
  boost::system::error_code ignored;
  socket_.shutdown(asio::socket_base::shutdown_receive, ignored);
  if (switched_end_) switched_end_->notify();
}

void Session::abort() {
  is_gone_ = true;
  is_ending_ = true;
  if (switched_end_) switched_end_->notify();
  if (switched_) switched_->close();
  if (web_socket_) web_socket_->abort();
  boost::system::error_code ignored;
  socket_.close(ignored);
}

bool Session::evict(Clock::time_point latest) {
  if (idle_since_ > latest) return false;
  be(Activity::handling);
  abort();
  return true;
}

void Session::set_deadline(Activity activity, Duration limit) {
  const auto now = Clock::now();
  if (activity == Activity::idle) idle_since_ = now;
  be(activity);
  is_expired_ = false;
  deadline_ = now + std::chrono::duration_cast<Clock::duration>(limit);
}

void Session::clear_deadline(Activity activity) {
  be(activity);
  deadline_ = Clock::time_point::max();
}

void Session::be(Activity activity) {
  activity_ = activity;
  auto& idle = server_->idle;
  if (idle_place_) idle.erase(*std::exchange(idle_place_, std::nullopt));
  if (activity == Activity::idle) idle_place_ = idle.insert(idle.end(), this);
}

// ---- reading

Task<boost::system::error_code> Session::receive(std::size_t count) {
  const auto room = buffer_.prepare(count);
  const auto result = co_await socket_.async_read_some(asio::buffer(room.data(), room.size()), kToken);
  buffer_.commit(std::get<1>(result));
  co_return std::get<0>(result);
}

// An idle connection has no buffer: there are many of them.
Task<boost::system::error_code> Session::wait_for_request() {
  buffer_.shrink(0);
  const auto result = co_await socket_.async_wait(asio::ip::tcp::socket::wait_read, kToken);
  co_return std::get<0>(result);
}

Task<Session::Outcome> Session::read_header() {
  parser_.reset();
  set_deadline(Activity::idle, server_->options.idle_timeout);
  if (server_->is_stopping) begin_stop();  // the stop came while the last answer was on its way
  while (true) {
    if (!buffer_.empty()) {
      if (activity_ == Activity::idle) {
        started_ = Clock::now();
        set_deadline(Activity::reading, server_->options.header_timeout);
      }
      buffer_.consume(parser_.feed(buffer_.view()));
      if (parser_.fault() != ParseFault::none) co_return Outcome::fault;
      if (parser_.has_header()) co_return Outcome::complete;
    }
    boost::system::error_code failure;
    if (buffer_.empty()) failure = co_await wait_for_request();
    if (!failure && !is_expired_) failure = co_await receive(kHeaderReadBytes);
    if (is_expired_ && activity_ == Activity::reading) co_return Outcome::timed_out;
    if (failure || is_expired_) co_return Outcome::ended;
  }
}

bool Session::is_whole() const { return parser_.fault() == ParseFault::none && parser_.is_done(); }

// ---- one request

void Session::start_request() {
  Request& request = parser_.request();
  const std::string_view given = request.header("X-Request-Id");
  request_id_ = is_request_id(given) ? std::string(given) : server_->random.hex(16);
  request.request_id = request_id_;
  request.peer_address = peer_address_;
  method_ = request.method;
  path_ = request.path;
  const std::size_t mark = request.target.find('?');
  query_ = mark == std::string::npos ? std::string() : request.target.substr(mark + 1);
  user_agent_ = request.header("User-Agent");
  route_ = nullptr;
  body_outcome_ = Outcome::complete;
  is_continued_ = false;
  is_answered_ = false;
  be(Activity::handling);
}

Task<bool> Session::serve() {
  const Outcome header = co_await read_header();
  if (header == Outcome::ended) co_return false;
  start_request();
  if (header != Outcome::complete) {
    const bool goes_on = co_await answer_fault(header);
    co_return goes_on;
  }

  // The order is the original's: what is not there needs no credentials.
  Request& request = parser_.request();
  auto found = server_->router.find(request.method, request.path);
  std::optional<Response> refusal;
  if (std::holds_alternative<NoRoute>(found)) {
    if (server_->options.no_route) refusal = server_->options.no_route(request);
    if (!refusal) refusal = not_found();
  } else if (const auto* to = std::get_if<Redirect>(&found)) {
    refusal = redirect(request, *to);
  }
  if (refusal) {
    const bool goes_on = co_await answer_early(*std::move(refusal));
    co_return goes_on;
  }

  auto& matched = std::get<Matched>(found);
  route_ = matched.route;
  request.parameters = std::move(matched.parameters);
  const ServerOptions& options = server_->options;
  if (options.check_origin) {
    const HostNames names = options.is_guarded && options.is_guarded() ? HostNames::any : HostNames::own;
    if (const auto why = refuse_origin(request, options.address, names)) refusal = error(403, *why);
  }
  if (!refusal && matched.route->needs_auth && options.authenticate) refusal = options.authenticate(request);
  if (!refusal && matched.route->admit) refusal = matched.route->admit(request);
  if (refusal) {
    const bool goes_on = co_await answer_early(*std::move(refusal));
    co_return goes_on;
  }

  parser_.set_body_limit(matched.route->body_bytes_max);
  Outcome body = parser_.fault() == ParseFault::none ? Outcome::complete : Outcome::fault;
  const bool is_read_here = !matched.route->streams_body;
  if (body == Outcome::complete && !parser_.is_done() && is_read_here) body = co_await read_body();
  if (body == Outcome::ended) co_return false;
  if (body != Outcome::complete) {
    const bool goes_on = co_await answer_fault(body);
    co_return goes_on;
  }
  const bool goes_on = co_await handle(matched.route);
  co_return goes_on;
}

Task<bool> Session::handle(const Route* route) {
  clear_deadline(Activity::handling);
  Response response;
  std::exception_ptr failure;
  bool is_there = true;
  if (route->streams_body) {
    is_there = co_await handle_body(self_.lock(), route, &response, &failure);
  } else {
    try {
      response = co_await route->handler(std::move(parser_.request()));
    } catch (...) {
      failure = std::current_exception();
    }
  }
  // The handler may have switched cancellation off for its own work; this connection lives on.
  co_await asio::this_coro::reset_cancellation_state(asio::enable_terminal_cancellation());
  bool goes_on = false;
  if (is_there && !is_gone_) goes_on = co_await answer_handled(std::move(response), failure);
  response = {};
  co_await end_reading();
  co_return goes_on;
}

Task<bool> Session::answer_handled(Response response, std::exception_ptr failure) {
  bool goes_on = false;
  if (body_outcome_ != Outcome::complete) {
    // Whatever the handler made of it: what the client did wrong is known here.
    goes_on = co_await answer_fault(body_outcome_);
    co_return goes_on;
  }
  if (failure) {
    log_failure("handler failed", failure);
    response = error(500, "internal error: the server's log has it under this request id");
  }
  if (is_whole() || response.reads_on) {
    goes_on = co_await answer(std::move(response));
  } else {
    goes_on = co_await answer_early(std::move(response));
  }
  co_return goes_on;
}

Response Session::error(int status, std::string_view message) {
  if (!server_->options.error_response) return default_error(status, message);
  try {
    return server_->options.error_response(status, message, parser_.request());
  } catch (...) {
    log_failure("error body failed", std::current_exception());
    return default_error(status, message);
  }
}

// ---- answering

Task<bool> Session::answer(Response response) {
  const bool switches = response.status == 101 && (response.takes_over || response.web_socket);
  if (switches && !(is_whole() && parser_.is_http_1_1())) {
    response = error(400, "a request that switches protocols is of HTTP/1.1 and has no body");
  } else if (!switches && (response.status < 200 || response.status > 999)) {
    server_->log.error("handler answered with a bad status", {{"status", response.status}, {"path", path_}});
    response = error(500, "internal error");
  }
  ResponseHead head;
  head.is_http_1_1 = !parser_.has_header() || parser_.is_http_1_1();
  // After a fault nobody knows where the next request would begin.
  const bool will_be_whole = is_whole() || (response.reads_on && parser_.fault() == ParseFault::none);
  head.keep_alive = will_be_whole && parser_.keep_alive() && !server_->is_stopping;
  if (server_->options.names_requests) head.request_id = request_id_;
  head.passes_request_id = !server_->options.names_requests;
  if (response.status == 101) {
    co_await answer_switch(std::move(response), head);
    co_return false;
  }
  const bool has_stream = frame(response, &head);
  if (response.reads_on && body_) {
    const bool goes_on = co_await answer_duplex(std::move(response), head, has_stream);
    co_return goes_on;
  }
  if (has_stream) {
    const bool goes_on = co_await answer_stream(std::move(response), head);
    co_return goes_on;
  }
  std::string body = is_bodiless(response) ? std::string() : std::move(response.body);
  const bool sent = co_await send(format_head(response, head), std::move(body));
  log_answer(response.status, false);
  co_return sent&& head.keep_alive;
}

Task<bool> Session::answer_early(Response response) {
  // A body that has already arrived whole need not cost the connection.
  if (parser_.has_header() && !parser_.is_done() && parser_.fault() == ParseFault::none) {
    parser_.set_body_limit(kBodyReadBytes);
    buffer_.consume(parser_.feed(buffer_.view()));
  }
  const bool goes_on = co_await answer(std::move(response));
  if (!is_whole() && !is_gone_) co_await linger();
  co_return goes_on;
}

Task<bool> Session::answer_fault(Outcome outcome) {
  Response response;
  if (outcome == Outcome::timed_out) {
    response = error(408, "the request did not arrive in time");
  } else if (parser_.fault() == ParseFault::header_too_large) {
    const std::size_t limit = server_->options.header_bytes_max;
    response = error(431, "request header larger than " + std::to_string(limit) + " bytes");
  } else if (parser_.fault() == ParseFault::body_too_large) {
    response = error(413, "request body too large");
  } else {
    response = error(400, "malformed request: " + parser_.fault_text());
  }
  const bool goes_on = co_await answer_early(std::move(response));
  co_return goes_on;
}

Task<bool> Session::send(std::string head, std::string body) {
  set_deadline(Activity::writing, server_->options.write_timeout);
  const std::array<asio::const_buffer, 2> buffers{asio::buffer(head), asio::buffer(body)};
  const auto result = co_await asio::async_write(socket_, buffers, aio::TransferWhole(), kToken);
  clear_deadline(Activity::handling);
  if (std::get<0>(result)) is_gone_ = true;
  co_return !is_gone_;
}

// Closing while the client still sends would reset the connection, and a reset discards the answer that the client has
// not read yet. So our side is closed first, and what comes is thrown away for a while.
Task<void> Session::linger() {
  boost::system::error_code ignored;
  socket_.shutdown(asio::socket_base::shutdown_send, ignored);
  set_deadline(Activity::lingering, server_->options.body_timeout);
  std::size_t total = 0;
  while (total < kLingerBytesMax) {
    buffer_.consume(buffer_.size());
    const auto failure = co_await receive(kBodyReadBytes);
    if (failure || is_expired_) break;
    total += buffer_.size();
  }
}

}  // namespace sandboxd::http
