// What the files that see gRPC share. Private to them.
#pragma once

#include "base/result.hpp"
#include "base/time.hpp"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace sandboxd::containerd {

inline grpc::ByteBuffer to_buffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

inline Result<std::string> from_buffer(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return Error(ErrorCode::protocol_error, "unreadable gRPC message");
  std::string bytes;
  bytes.reserve(buffer.Length());
  for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

inline Error to_error(const grpc::Status& status, const std::string& socket) {
  const std::string& text = status.error_message();
  switch (status.error_code()) {
    case grpc::StatusCode::NOT_FOUND: return Error(ErrorCode::not_found, text);
    case grpc::StatusCode::ALREADY_EXISTS: return Error(ErrorCode::already_exists, text);
    case grpc::StatusCode::FAILED_PRECONDITION: return Error(ErrorCode::conflict, text);
    case grpc::StatusCode::INVALID_ARGUMENT: return Error(ErrorCode::invalid_argument, text);
    case grpc::StatusCode::RESOURCE_EXHAUSTED: return Error(ErrorCode::resource_exhausted, text);
    case grpc::StatusCode::DEADLINE_EXCEEDED: return Error(ErrorCode::deadline_exceeded, text);
    case grpc::StatusCode::CANCELLED: return Error(ErrorCode::cancelled, text);
    case grpc::StatusCode::UNAVAILABLE:
      return Error(ErrorCode::unavailable,
                   "containerd does not answer at " + socket + " (" + text + "): start it, or correct its address");
    default: return Error(ErrorCode::runtime_failed, text);
  }
}

inline void prepare(grpc::ClientContext& context, const std::string& grpc_namespace, Duration timeout,
                    const std::string& lease) {
  context.AddMetadata("containerd-namespace", grpc_namespace);
  if (!lease.empty()) context.AddMetadata("containerd-lease", lease);
  if (timeout > Duration::zero()) {
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::duration_cast<std::chrono::system_clock::duration>(timeout));
  }
}

// Counts the streams that gRPC has not let go of. A stream's context may hold the channel's last reference, and that
// one must not die on a gRPC thread; so the channel waits for its streams.
class Living {
 public:
  void add() {
    const std::lock_guard lock(mutex_);
    ++count_;
  }
  void remove() {
    const std::lock_guard lock(mutex_);
    if (--count_ == 0) none_.notify_all();
  }
  // Bounded: a coroutine that was abandoned while it waited for a message keeps its stream.
  void wait_for_none() {
    std::unique_lock lock(mutex_);
    none_.wait_for(lock, std::chrono::seconds(2), [this] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable none_;
  int count_ = 0;
};

class Alive {
 public:
  explicit Alive(std::shared_ptr<Living> living) : living_(std::move(living)) { living_->add(); }
  ~Alive() { living_->remove(); }
  Alive(const Alive&) = delete;
  Alive& operator=(const Alive&) = delete;

 private:
  std::shared_ptr<Living> living_;
};

}  // namespace sandboxd::containerd
