// gRPC as the rest of the adapter sees it: one unary call or one server stream, bytes in and bytes out. gRPC's own
// headers are seen by grpc_channel.cpp alone. Calls are made by method name through the generic callback stub, so no
// service code is generated.
//
// Threads: gRPC's callbacks only post to the executor of the coroutine that waits; everything resumes there.
//
// Errors keep the meaning of the gRPC status: not_found, already_exists, conflict (failed precondition), unavailable
// (with the socket's path), deadline_exceeded, cancelled, invalid_argument, resource_exhausted; every other status is
// runtime_failed. The message is the daemon's.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "base/time.hpp"

#include <memory>
#include <optional>
#include <string>

namespace sandboxd::containerd {

struct CallOptions {
  CallOptions(Duration time_limit) : timeout(time_limit) {}  // NOLINT(google-explicit-constructor)
  CallOptions(Duration time_limit, std::string lease_id) : timeout(time_limit), lease(std::move(lease_id)) {}
  Duration timeout;
  std::string lease;  // what the call makes belongs to this containerd lease; empty: none
};

// Messages of one server stream, pulled one at a time: a slow reader is back-pressure, not a queue.
class ServerStream {
 public:
  virtual ~ServerStream() = default;  // cancels the call
  // The next message; nullopt when the server ended the stream well. Cancelling the caller ends the stream.
  [[nodiscard]] virtual Task<Result<std::optional<std::string>>> next() = 0;
  virtual void cancel() = 0;
};

// A call with a stream in both directions, used as a conversation: one message, one answer.
class DuplexStream {
 public:
  virtual ~DuplexStream() = default;  // cancels the call
  // Errors: also unavailable when the server ended the stream. After an error the stream is over.
  [[nodiscard]] virtual Task<Result<std::string>> exchange(std::string message) = 0;
};

class GrpcChannel {
 public:
  // Connects lazily and again after every loss. `grpc_namespace` goes with every call.
  GrpcChannel(std::string socket_path, std::string grpc_namespace);
  ~GrpcChannel();  // after every call ended and every stream was destroyed; blocks until gRPC has let go of the streams
  GrpcChannel(const GrpcChannel&) = delete;
  GrpcChannel& operator=(const GrpcChannel&) = delete;

  // A cancelled caller gets the error `cancelled`; the call is given up, its outcome unknown.
  [[nodiscard]] Task<Result<std::string>> unary(std::string method, std::string request, CallOptions options);
  // Errors come from the stream's first next(). A timeout of zero: the stream has no end of its own.
  [[nodiscard]] std::unique_ptr<ServerStream> open_stream(const std::string& method, const std::string& request,
                                                          Duration timeout);
  [[nodiscard]] std::unique_ptr<DuplexStream> open_duplex(const std::string& method, CallOptions options);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sandboxd::containerd
