// The part of a session that hands its connection over when the protocol is switched.
#include "http/byte_stream.hpp"
#include "http/session.hpp"
#include "http/web_socket_wire.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>

namespace sandboxd::http {
namespace asio = boost::asio;

Task<void> Session::wait_for_end(std::shared_ptr<Session> self) {
  while (!self->is_ending_) co_await self->switched_end_->wait();
}

Task<void> Session::serve_switched(std::shared_ptr<Session> self, Response response,
                                   std::shared_ptr<ByteStream> bytes) {
  if (!response.web_socket) {
    co_await response.takes_over(bytes);
    bytes->shut_down_sending();
    co_return;
  }
  const auto answer = response.web_socket;
  auto headers = std::move(response.headers);
  headers.emplace_back("X-Request-Id", self->request_id_);
  auto opened = co_await serve_web_socket(bytes, answer, std::move(headers));
  if (!opened) co_return;
  self->web_socket_ = *opened;
  std::exception_ptr failure;
  try {
    co_await answer->run(self->web_socket_);
  } catch (...) {
    failure = std::current_exception();
  }
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  int code = failure ? kCloseInternal : kCloseNormal;
  if (self->is_ending_) code = kCloseGoingAway;
  co_await self->web_socket_->close(code, {});
  if (failure) std::rethrow_exception(failure);
}

Task<void> Session::answer_switch(Response response, ResponseHead head) {
  const auto self = self_.lock();
  if (!response.web_socket) {
    head.framing = BodyFraming::switched;
    response.content_type.clear();
    const bool sent = co_await send(format_head(response, head), {});
    if (!sent) co_return;
  }
  clear_deadline(Activity::handling);
  switched_end_.emplace(server_->executor);
  is_streaming_ = true;
  ++server_->options.traffic->streams;
  switched_ = std::make_shared<ByteStream>(PrefixedSocket(std::move(socket_), std::string(buffer_.view())));
  buffer_.consume(buffer_.size());
  buffer_.shrink(0);
  auto group = asio::experimental::make_parallel_group(
      asio::co_spawn(server_->executor, serve_switched(self, response, switched_), asio::deferred),
      asio::co_spawn(server_->executor, wait_for_end(self), asio::deferred));
  const auto ends = co_await group.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  const std::exception_ptr failure = std::get<1>(ends);
  if (failure && !is_ending_ && !server_->is_stopping) log_failure("a switched connection failed", failure);
  switched_->close();
  web_socket_.reset();
  is_streaming_ = false;
  is_gone_ = true;
  --server_->options.traffic->streams;
  log_answer(101, true);
}

}  // namespace sandboxd::http
