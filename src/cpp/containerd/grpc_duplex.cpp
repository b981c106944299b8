#include "containerd/grpc_duplex.hpp"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <grpcpp/support/client_callback.h>

#include <mutex>
#include <utility>

namespace sandboxd::containerd {

namespace asio = boost::asio;

namespace {

// Owns itself until gRPC says OnDone. The hold keeps that back while nothing is under way; it is given up with the
// first operation that fails, or by abandon().
class Conversation final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  using Waiter = asio::any_completion_handler<void(bool)>;

  Conversation(std::shared_ptr<Living> living, std::unique_ptr<grpc::ClientContext> context)
      : alive_(std::move(living)), context_(std::move(context)) {}

  void start(const std::shared_ptr<Conversation>& self, grpc::GenericStub& stub, const std::string& method) {
    self_ = self;
    stub.PrepareBidiStreamingCall(context_.get(), method, {}, this);
    AddHold();  // after the call is bound and before it starts, as in grpc_channel.cpp
    StartCall();
  }

  // Completes with true when answer() has the answer, with false at the end, when status() is set.
  void exchange(const std::string& bytes, Waiter waiter, asio::any_io_executor executor) {
    std::unique_lock lock(mutex_);
    if (done_) {
      lock.unlock();
      asio::post(executor, [waiter = std::move(waiter)]() mutable { std::move(waiter)(false); });
      return;
    }
    waiter_ = std::move(waiter);
    executor_ = std::move(executor);
    if (failed_) return;  // OnDone follows and completes it
    under_way_ = 2;
    message_ = to_buffer(bytes);
    lock.unlock();
    StartWrite(&message_);
    StartRead(&answer_);
  }

  void cancel() { context_->TryCancel(); }

  // Nobody will say anything again.
  void abandon() {
    context_->TryCancel();
    std::unique_lock lock(mutex_);
    failed_ = true;
    if (under_way_ > 0 || !holding_) return;
    holding_ = false;
    lock.unlock();
    RemoveHold();
  }

  void OnWriteDone(bool ok) override { finish_one(ok); }
  void OnReadDone(bool ok) override { finish_one(ok); }

  void OnDone(const grpc::Status& status) override {
    std::unique_lock lock(mutex_);
    done_ = true;
    status_ = status;
    Waiter waiter = std::move(waiter_);
    asio::any_io_executor executor = std::move(executor_);
    auto self = std::move(self_);
    lock.unlock();
    if (!waiter) return;
    asio::post(executor, [waiter = std::move(waiter), self]() mutable { std::move(waiter)(false); });
  }

  [[nodiscard]] const grpc::ByteBuffer& answer() const { return answer_; }
  [[nodiscard]] const grpc::Status& status() const { return status_; }

 private:
  void finish_one(bool ok) {
    std::unique_lock lock(mutex_);
    if (!ok) failed_ = true;
    if (--under_way_ > 0) return;
    const bool release = failed_ && std::exchange(holding_, holding_ && !failed_);
    Waiter waiter;
    asio::any_io_executor executor;
    if (!failed_ && waiter_) {
      waiter = std::move(waiter_);
      executor = std::move(executor_);
    }
    lock.unlock();
    if (waiter) asio::post(executor, [waiter = std::move(waiter)]() mutable { std::move(waiter)(true); });
    if (release) RemoveHold();
  }

  Alive alive_;  // goes after the context
  std::unique_ptr<grpc::ClientContext> context_;
  std::mutex mutex_;
  std::shared_ptr<Conversation> self_;
  grpc::ByteBuffer message_;
  grpc::ByteBuffer answer_;
  Waiter waiter_;
  asio::any_io_executor executor_;
  int under_way_ = 0;
  bool failed_ = false;
  bool done_ = false;
  bool holding_ = true;
  grpc::Status status_;
};

struct StartExchange {
  template <class Handler>
  void operator()(Handler handler, std::shared_ptr<Conversation> conversation, const std::string& bytes) const {
    const auto executor = asio::get_associated_executor(handler);
    const auto slot = asio::get_associated_cancellation_slot(handler);
    if (slot.is_connected()) {
      const std::weak_ptr<Conversation> weak = conversation;
      asio::cancellation_slot(slot).assign([weak](asio::cancellation_type) {
        if (const auto alive = weak.lock()) alive->cancel();
      });
    }
    auto work = asio::make_work_guard(executor);
    auto complete = [slot, work, handler = std::move(handler)](bool answered) mutable {
      if (slot.is_connected()) asio::cancellation_slot(slot).clear();
      std::move(handler)(answered);
    };
    conversation->exchange(bytes, Conversation::Waiter(std::move(complete)), executor);
  }
};

class ConversationStream final : public DuplexStream {
 public:
  ConversationStream(std::shared_ptr<Conversation> conversation, std::string socket)
      : conversation_(std::move(conversation)), socket_(std::move(socket)) {}
  ~ConversationStream() override { conversation_->abandon(); }

  [[nodiscard]] Task<Result<std::string>> exchange(std::string message) override {
    auto conversation = conversation_;
    const auto socket = socket_;
    const bool answered = co_await asio::async_initiate<const asio::use_awaitable_t<>, void(bool)>(
        StartExchange(), asio::use_awaitable, conversation, message);
    if (answered) co_return from_buffer(conversation->answer());
    if (!conversation->status().ok()) co_return to_error(conversation->status(), socket);
    co_return Error(ErrorCode::unavailable, "containerd ended the stream");
  }

 private:
  std::shared_ptr<Conversation> conversation_;
  std::string socket_;
};

}  // namespace

std::unique_ptr<DuplexStream> start_duplex(grpc::GenericStub& stub, const std::string& method,
                                           std::unique_ptr<grpc::ClientContext> context, std::shared_ptr<Living> living,
                                           std::string socket) {
  auto conversation = std::make_shared<Conversation>(std::move(living), std::move(context));
  conversation->start(conversation, stub, method);
  return std::make_unique<ConversationStream>(std::move(conversation), std::move(socket));
}

}  // namespace sandboxd::containerd
