// The part of a session that answers while the request's body is still read: both directions at once, each at the pace
// of its slower side.
#include "http/session_body.hpp"
#include "http/when_over.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>

namespace sandboxd::http {
namespace {

namespace asio = boost::asio;

}  // namespace

Task<bool> Session::answer_duplex(Response response, ResponseHead head, bool has_stream) {
  const auto self = self_.lock();
  const int status = response.status;
  is_duplex_ = true;
  is_streaming_ = true;
  ++server_->options.traffic->streams;
  while (is_continuing_) co_await body_->wait_for_end();  // its bytes are not to get between the answer's
  is_continued_ = true;
  std::string head_text = format_head(response, head);
  bool sent = co_await send(std::move(head_text), {});
  if (sent && !is_ending_) {
    auto stream = has_stream ? response.stream : nullptr;
    auto group = asio::experimental::make_parallel_group(
        asio::co_spawn(server_->executor, send_answer(self, std::move(stream), head.framing), asio::deferred),
        asio::co_spawn(server_->executor, read_on(self, std::move(response.reads_on)), asio::deferred),
        asio::co_spawn(server_->executor, watch_duplex(self), asio::deferred));
    const WhenOver when_over;
    co_await group.async_wait(when_over, asio::use_awaitable);
  }
  response = {};  // whoever answers learns that it is over, and ends what it reads
  is_streaming_ = false;
  --server_->options.traffic->streams;
  log_answer(status, true);
  co_await end_reading();
  is_duplex_ = false;
  sent = sent && is_answered_ && !is_gone_ && !is_broken_;
  if (sent && !is_whole()) co_await linger();
  co_return sent&& head.keep_alive&& is_whole() && !server_ -> is_stopping;
}

// True when the answer is out, to its end.
Task<bool> Session::send_answer(std::shared_ptr<Session> self, std::shared_ptr<BodyStream> stream,
                                BodyFraming framing) {
  if (!stream) framing = BodyFraming::none;
  if (stream) co_await pump(self, std::move(stream), framing);
  if (self->is_gone_ || self->is_broken_ || self->is_ending_) co_return false;
  if (framing == BodyFraming::length && self->stream_left_ > 0) co_return false;  // the connection's end tells
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  if (framing == BodyFraming::chunked) {
    const bool sent = co_await self->send(std::string(kLastChunk), {});
    if (!sent) co_return false;
  }
  if (framing == BodyFraming::until_close) {
    boost::system::error_code ignored;
    self->socket_.shutdown(asio::socket_base::shutdown_send, ignored);
  }
  self->is_answered_ = true;
  self->set_deadline(Activity::draining, self->server_->options.body_timeout);
  co_return true;
}

Task<bool> Session::read_on(std::shared_ptr<Session> self, std::function<Task<void>()> reads_on) {
  co_await reads_on();
  if (!self->body_->detach()) {
    self->server_->log.error("a request's body is read after its reader's end", {{"path", self->path_}});
    co_return false;
  }
  self->body_->notify();
  co_return true;
}

// While the body is read, its reader finds out when the client leaves.
Task<bool> Session::watch_duplex(std::shared_ptr<Session> self) {
  while (!self->is_whole() && !self->body_->is_detached()) co_await self->body_->wait_for_end();
  while (self->body_->is_reading()) co_await self->body_->wait_for_end();
  co_await watch_client(self);
  co_return false;
}

// The handler has ended: so does what reads for it.
Task<void> Session::end_reading() {
  const auto body = std::move(body_);
  body_.reset();
  if (!body || body->detach()) co_return;
  boost::system::error_code ignored;
  socket_.cancel(ignored);
  while (body->is_reading()) co_await body->wait_for_end();
}

}  // namespace sandboxd::http
