#include "http/connection.hpp"

#include "aio/transfer_whole.hpp"
#include "http/target.hpp"
#include "http/text.hpp"
#include "http/wire.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <sys/socket.h>

namespace sandboxd::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kHeaderReadBytes = 4 * 1024;
constexpr std::size_t kBodyReadBytes = 64 * 1024;      // at a time, at first
constexpr std::size_t kBodyReadBytesMax = 512 * 1024;  // of a sender that is fast

bool has_control(std::string_view text) { return std::ranges::any_of(text, is_control); }

// The system's text begins with a capital letter; it stands behind a colon here.
Error system_error(const boost::system::error_code& error, const std::string& what) {
  if (error == asio::error::eof) return {ErrorCode::unavailable, what + ": connection closed by the peer"};
  if (error.category() != boost::system::system_category()) {
    return {ErrorCode::unavailable, what + ": " + error.message()};
  }
  const bool is_local = error.value() == EMFILE || error.value() == ENFILE || error.value() == ENOMEM;
  std::string text = error.message();
  if (!text.empty()) text.front() = ascii_lower(text.front());
  return {is_local ? ErrorCode::resource_exhausted : ErrorCode::unavailable, what + ": " + text};
}

}  // namespace

Result<std::string> format_request(const ClientRequest& request) {
  const auto refuse = [](std::string what) { return Error(ErrorCode::invalid_argument, "http request: " + what); };
  if (!is_token(request.method)) return refuse("bad method");
  const bool has_space = request.target.find(' ') != std::string::npos;
  if (!request.target.starts_with('/') || has_space || has_control(request.target)) {
    return refuse("bad target: it must begin with '/' and be percent-encoded");
  }
  std::string out;
  out.reserve(256 + request.target.size());
  out += request.method;
  out += ' ';
  out += request.target;
  out += " HTTP/1.1\r\nHost: ";
  if (has_control(request.host_header)) return refuse("bad Host");
  out += request.host_header.empty() ? format_authority(request.host, request.port) : request.host_header;
  out += "\r\n";
  if (!request.user_agent.empty()) out += "User-Agent: " + request.user_agent + "\r\n";
  for (const auto& [name, value] : request.headers) {
    if (!is_token(name) || has_control(value)) return refuse("bad header \"" + name + "\"");
    out += name;
    out += ": ";
    out += value;
    out += "\r\n";
  }
  if (request.body_stream && !request.body_stream->length()) {
    out += "Transfer-Encoding: chunked\r\n\r\n";
    return out;
  }
  const std::uint64_t length = request.body_stream ? *request.body_stream->length() : request.body.size();
  const bool may_have_body = request.method != "GET" && request.method != "HEAD" && request.method != "DELETE";
  if (may_have_body || length > 0) {
    out += "Content-Length: ";
    out += std::to_string(length);
    out += "\r\n";
  }
  out += "\r\n";
  return out;
}

Connection::Connection(asio::any_io_executor executor, std::string peer)
    : socket_(executor), timer_(executor), peer_(std::move(peer)) {}

Task<Result<std::shared_ptr<Connection>>> Connection::open(asio::any_io_executor executor, std::string host, int port,
                                                           Duration timeout) {
  boost::system::error_code error;
  const auto address = asio::ip::make_address(host, error);
  const std::string peer = format_authority(host, port);
  if (error || port < 1 || port > 65535) {
    co_return Error(ErrorCode::invalid_argument, "connect to " + peer + ": not an IP address and a port");
  }
  const auto self = std::make_shared<Connection>(executor, peer);
  self->set_deadline(std::chrono::steady_clock::now() + timeout);
  const tcp::endpoint endpoint(address, static_cast<std::uint16_t>(port));
  const auto result = co_await self->socket_.async_connect(endpoint, kToken);
  error = std::get<0>(result);
  self->clear_deadline();
  if (self->has_timed_out_) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count();
    co_return Error(ErrorCode::deadline_exceeded,
                    "connect to " + peer + ": no connection within " + std::to_string(ms) + " ms");
  }
  if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
  if (error) co_return system_error(error, "connect to " + peer);
  self->socket_.set_option(tcp::no_delay(true), error);
  co_return self;
}

void Connection::set_deadline(SteadyTime deadline) {
  deadline_ = deadline;
  if (deadline < wakes_at_) wake_at(deadline);
}

void Connection::clear_deadline() { deadline_ = SteadyTime::max(); }

void Connection::wake_at(SteadyTime time) {
  wakes_at_ = time;
  timer_.expires_at(time);
  timer_.async_wait([weak = weak_from_this(), time](const boost::system::error_code& error) {
    const auto self = weak.lock();
    // An expiry that was already queued when an earlier one was asked for is told by its time.
    if (error || !self || self->wakes_at_ != time) return;
    self->wakes_at_ = SteadyTime::max();
    const SteadyTime deadline = std::min(self->deadline_, self->sending_deadline_);
    if (deadline > time) {
      if (deadline != SteadyTime::max()) self->wake_at(deadline);
      return;
    }
    self->has_timed_out_ = true;
    self->close();
  });
}

void Connection::close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
}

Error Connection::failure(const boost::system::error_code& error) const {
  if (has_timed_out_) return {ErrorCode::deadline_exceeded, peer_ + ": no answer in time"};
  if (source_failure_) return *source_failure_;  // and the sending closed the connection
  // Only our own cancellation aborts an operation else.
  if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
  return system_error(error, peer_);
}

Task<boost::system::error_code> Connection::receive(std::size_t count) {
  const auto room = buffer_.prepare(count);
  const auto result = co_await socket_.async_read_some(asio::buffer(room.data(), room.size()), kToken);
  buffer_.commit(std::get<1>(result));
  has_received_ |= std::get<1>(result) > 0;
  co_return has_timed_out_ ? boost::system::error_code(asio::error::operation_aborted) : std::get<0>(result);
}

void Connection::begin_exchange(const std::string& head) {
  has_received_ = false;
  is_cut_ = false;
  is_sent_ = false;
  source_failure_.reset();
  is_head_ = head.starts_with("HEAD ");
  parser_.emplace(limits::kHttpHeaderBytesMax, !is_head_);
  buffer_.shrink(kHeaderReadBytes);
  read_bytes_ = kBodyReadBytes;
}

Task<Result<void>> Connection::exchange_header(std::string head, std::string body) {
  begin_exchange(head);
  const std::array<asio::const_buffer, 2> buffers{asio::buffer(head), asio::buffer(body)};
  const auto written = co_await asio::async_write(socket_, buffers, aio::TransferWhole(), kToken);
  const auto write_error = std::get<0>(written);
  if (write_error == asio::error::operation_aborted) co_return failure(write_error);
  is_sent_ = !write_error;
  auto result = co_await read_header(write_error);
  co_return result;
}

Task<Result<void>> Connection::read_header(boost::system::error_code write_error) {
  while (true) {
    buffer_.consume(parser_->feed(buffer_.view()));
    if (parser_->fault() != ParseFault::none) {
      co_return Error(ErrorCode::protocol_error, peer_ + ": answer is not HTTP: " + parser_->fault_text());
    }
    if (parser_->has_header()) {
      const int status = parser_->status();
      if (status / 100 != 1 || status == 101) co_return Result<void>();
      parser_.emplace(limits::kHttpHeaderBytesMax, !is_head_);  // an interim answer; the real one follows
      continue;
    }
    const auto error = co_await receive(kHeaderReadBytes);
    if (error) {
      is_cut_ = error != asio::error::operation_aborted;
      co_return failure(write_error ? write_error : error);
    }
  }
}

Task<Result<bool>> Connection::read_more() {
  if (parser_->is_done()) co_return false;
  boost::system::error_code error;
  std::size_t used = parser_->feed(buffer_.view());
  if (used == 0 && parser_->fault() == ParseFault::none) {
    error = co_await receive(read_bytes_);
    if (buffer_.size() >= read_bytes_) read_bytes_ = std::min(2 * read_bytes_, kBodyReadBytesMax);
    used = parser_->feed(buffer_.view());
  }
  buffer_.consume(used);
  if (error == asio::error::eof) {
    parser_->feed_end();
  } else if (error) {
    co_return failure(error);
  }
  switch (parser_->fault()) {
    case ParseFault::none: co_return true;
    case ParseFault::body_too_large: co_return Error(ErrorCode::too_large, peer_ + ": answer is too large");
    default: break;
  }
  if (error) co_return Error(ErrorCode::unavailable, peer_ + ": connection closed in the middle of the answer");
  co_return Error(ErrorCode::protocol_error, peer_ + ": answer is not HTTP: " + parser_->fault_text());
}

bool Connection::has_whole_answer() {
  buffer_.consume(parser_->feed(buffer_.view()));
  return parser_->is_done();
}

bool Connection::is_reusable() const {
  return socket_.is_open() && is_sent_ && parser_ && parser_->status() != 101 && parser_->is_done() &&
         parser_->fault() == ParseFault::none && parser_->keep_alive() && buffer_.empty();
}

bool Connection::is_alive() {
  char byte = 0;
  const auto count = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

}  // namespace sandboxd::http
