#include "containerd/grpc_channel.hpp"

#include "containerd/grpc_duplex.hpp"
#include "containerd/grpc_parts.hpp"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/client_callback.h>

#include <grpc/grpc.h>
#include <mutex>

namespace sandboxd::containerd {

namespace asio = boost::asio;

namespace {

struct UnaryCall {
  grpc::ClientContext context;
  grpc::ByteBuffer request;
  grpc::ByteBuffer reply;
};

struct StartUnary {
  template <class Handler>
  void operator()(Handler handler, grpc::GenericStub* stub, const std::string& method,
                  std::shared_ptr<UnaryCall> call) const {
    const auto executor = asio::get_associated_executor(handler);
    const auto slot = asio::get_associated_cancellation_slot(handler);
    if (slot.is_connected()) {
      const std::weak_ptr<UnaryCall> weak = call;
      asio::cancellation_slot(slot).assign([weak](asio::cancellation_type) {
        if (const auto alive = weak.lock()) alive->context.TryCancel();
      });
    }
    // gRPC wants a copyable function; the handler is not.
    auto waiting = std::make_shared<Handler>(std::move(handler));
    auto work = asio::make_work_guard(executor);
    UnaryCall& target = *call;
    stub->UnaryCall(&target.context, method, {}, &target.request, &target.reply,
                    [executor, slot, work, waiting, call](grpc::Status status) mutable {
                      // The context must die on the executor, never here: it may hold the channel's last reference.
                      asio::post(executor, [slot, waiting = std::move(waiting), call = std::move(call),
                                            status = std::move(status)]() mutable {
                        if (slot.is_connected()) asio::cancellation_slot(slot).clear();
                        auto complete = std::move(*waiting);
                        waiting.reset();
                        call.reset();
                        std::move(complete)(std::move(status));
                      });
                    });
  }
};

// One server stream. It owns itself from start() until gRPC says OnDone, since gRPC calls it until then.
//
// The hold keeps OnDone back while no read is outstanding; it is given up at the end of the data, or by abandon().
class Reader final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  using Waiter = asio::any_completion_handler<void(bool)>;

  explicit Reader(std::shared_ptr<Living> living) : alive_(std::move(living)) {}

  void start(const std::shared_ptr<Reader>& self, grpc::GenericStub& stub, const std::string& method,
             const std::string& bytes) {
    self_ = self;
    request_ = to_buffer(bytes);
    stub.PrepareBidiStreamingCall(&context, method, {}, this);
    AddHold();  // after the call is bound and before it starts: gRPC 1.51 crashes otherwise
    StartWriteLast(&request_, grpc::WriteOptions());
    StartCall();
  }

  // Completes with true when message() has the next one, with false at the end, when status() is set.
  void read(Waiter waiter, asio::any_io_executor executor) {
    std::unique_lock lock(mutex_);
    if (done_) {
      lock.unlock();
      asio::post(executor, [waiter = std::move(waiter)]() mutable { std::move(waiter)(false); });
      return;
    }
    waiter_ = std::move(waiter);
    executor_ = std::move(executor);
    if (eof_) return;  // OnDone follows and completes it
    reading_ = true;
    lock.unlock();
    StartRead(&message_);
  }

  // Nobody will read again.
  void abandon() {
    context.TryCancel();
    std::unique_lock lock(mutex_);
    abandoned_ = true;
    if (reading_ || !holding_) return;
    holding_ = false;
    lock.unlock();
    RemoveHold();
  }

  void OnReadDone(bool ok) override {
    std::unique_lock lock(mutex_);
    reading_ = false;
    if (!ok) eof_ = true;
    const bool release = holding_ && (eof_ || abandoned_);
    if (release) holding_ = false;
    Waiter waiter;
    asio::any_io_executor executor;
    if (ok && waiter_) {
      waiter = std::move(waiter_);
      executor = std::move(executor_);
    }
    lock.unlock();
    if (waiter) asio::post(executor, [waiter = std::move(waiter)]() mutable { std::move(waiter)(true); });
    if (release) RemoveHold();
  }

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

  [[nodiscard]] const grpc::ByteBuffer& message() const { return message_; }
  [[nodiscard]] const grpc::Status& status() const { return status_; }

 private:
  Alive alive_;  // goes after the context

 public:
  grpc::ClientContext context;

 private:
  std::mutex mutex_;
  std::shared_ptr<Reader> self_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer message_;
  Waiter waiter_;
  asio::any_io_executor executor_;
  bool reading_ = false;
  bool eof_ = false;
  bool done_ = false;
  bool abandoned_ = false;
  bool holding_ = true;
  grpc::Status status_;
};

struct StartRead {
  template <class Handler>
  void operator()(Handler handler, std::shared_ptr<Reader> reader) const {
    const auto executor = asio::get_associated_executor(handler);
    const auto slot = asio::get_associated_cancellation_slot(handler);
    if (slot.is_connected()) {
      const std::weak_ptr<Reader> weak = reader;
      asio::cancellation_slot(slot).assign([weak](asio::cancellation_type) {
        if (const auto alive = weak.lock()) alive->context.TryCancel();
      });
    }
    auto work = asio::make_work_guard(executor);
    auto complete = [slot, work, handler = std::move(handler)](bool more) mutable {
      if (slot.is_connected()) asio::cancellation_slot(slot).clear();
      std::move(handler)(more);
    };
    reader->read(Reader::Waiter(std::move(complete)), executor);
  }
};

class ReaderStream final : public ServerStream {
 public:
  ReaderStream(std::shared_ptr<Reader> reader, std::string socket)
      : reader_(std::move(reader)), socket_(std::move(socket)) {}
  ~ReaderStream() override { reader_->abandon(); }

  [[nodiscard]] Task<Result<std::optional<std::string>>> next() override {
    auto reader = reader_;
    const auto socket = socket_;
    const bool more = co_await asio::async_initiate<const asio::use_awaitable_t<>, void(bool)>(
        StartRead(), asio::use_awaitable, reader);
    if (more) {
      SBX_CO_TRY(bytes, from_buffer(reader->message()));
      co_return std::optional<std::string>(std::move(bytes));
    }
    if (!reader->status().ok()) co_return to_error(reader->status(), socket);
    co_return std::optional<std::string>();
  }

  void cancel() override { reader_->context.TryCancel(); }

 private:
  std::shared_ptr<Reader> reader_;
  std::string socket_;
};

}  // namespace

struct GrpcChannel::State {
  State(std::string path, std::string name) : socket(std::move(path)), grpc_namespace(std::move(name)) {
    // The library stays up for the life of the process: taking it down and up again races with its own threads.
    static const bool kept = (grpc_init(), true);
    (void)kept;
    grpc::ChannelArguments arguments;
    arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
    arguments.SetMaxReceiveMessageSize(64 * 1024 * 1024);
    // A daemon that comes back is found within this time, not after gRPC's two minutes.
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
    // Two adapters on one socket do not share a connection: each has its own life.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    channel = grpc::CreateCustomChannel("unix://" + socket, grpc::InsecureChannelCredentials(), arguments);
    stub = std::make_unique<grpc::GenericStub>(channel);
  }
  std::string socket;
  std::string grpc_namespace;
  std::shared_ptr<Living> living = std::make_shared<Living>();
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<grpc::GenericStub> stub;
};

GrpcChannel::GrpcChannel(std::string socket_path, std::string grpc_namespace)
    : state_(std::make_unique<State>(std::move(socket_path), std::move(grpc_namespace))) {}

GrpcChannel::~GrpcChannel() { state_->living->wait_for_none(); }

Task<Result<std::string>> GrpcChannel::unary(std::string method, std::string request, CallOptions options) {
  auto call = std::make_shared<UnaryCall>();
  prepare(call->context, state_->grpc_namespace, options.timeout, options.lease);
  call->request = to_buffer(request);
  grpc::GenericStub* const stub = state_->stub.get();
  const grpc::Status status = co_await asio::async_initiate<const asio::use_awaitable_t<>, void(grpc::Status)>(
      StartUnary(), asio::use_awaitable, stub, method, call);
  if (!status.ok()) co_return to_error(status, state_->socket);
  co_return from_buffer(call->reply);
}

std::unique_ptr<ServerStream> GrpcChannel::open_stream(const std::string& method, const std::string& request,
                                                       Duration timeout) {
  auto reader = std::make_shared<Reader>(state_->living);
  prepare(reader->context, state_->grpc_namespace, timeout, "");
  reader->start(reader, *state_->stub, method, request);
  return std::make_unique<ReaderStream>(std::move(reader), state_->socket);
}

std::unique_ptr<DuplexStream> GrpcChannel::open_duplex(const std::string& method, CallOptions options) {
  auto context = std::make_unique<grpc::ClientContext>();
  prepare(*context, state_->grpc_namespace, options.timeout, options.lease);
  return start_duplex(*state_->stub, method, std::move(context), state_->living, state_->socket);
}

}  // namespace sandboxd::containerd
