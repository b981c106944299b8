#include "containerd/blob_writer.hpp"

#include "containerd/methods.hpp"
#include "containerd/wire.pb.h"

#include <algorithm>
#include <utility>

namespace sandboxd::containerd {

namespace {

constexpr std::size_t kMessageBytes = 1024 * 1024;  // far below the daemon's limit for messages
// Of the whole write, however slowly its bytes come.
constexpr Duration kWriteTimeout = std::chrono::hours(2);

Error write_failed(const Error& cause) {
  const bool is_full = cause.message().find("no space left") != std::string::npos;
  if (is_full) return {ErrorCode::resource_exhausted, "the disk is full: " + cause.message()};
  // What the daemon says of a blob that is not what it should be.
  if (cause.code() == ErrorCode::conflict)
    return {ErrorCode::invalid_argument, "the archive is damaged: " + cause.message()};
  return cause.with_context("store content");
}

}  // namespace

BlobWriter::BlobWriter(Context& context, BlobTicket ticket) : context_(context), ticket_(std::move(ticket)) {
  stream_ = context_.channel.open_duplex(method::kContentWrite, CallOptions(kWriteTimeout, ticket_.lease));
}

Task<Result<void>> BlobWriter::write(std::string bytes) {
  for (std::size_t at = 0; at < bytes.size() && !is_there_; at += kMessageBytes) {
    wire::WriteContentRequest request;
    request.set_action(wire::WRITE_DATA);
    request.set_ref(ticket_.ref);
    request.set_total(ticket_.size);
    request.set_expected(ticket_.digest);
    request.set_offset(offset_);
    request.set_data(bytes.substr(at, kMessageBytes));
    offset_ += static_cast<std::int64_t>(request.data().size());
    const auto answer = co_await stream_->exchange(request.SerializeAsString());
    if (!answer && answer.error().code() == ErrorCode::already_exists) is_there_ = true;
    if (!answer && !is_there_) co_return write_failed(answer.error());
  }
  co_return Result<void>();
}

Task<Result<void>> BlobWriter::commit(std::string digest, std::map<std::string, std::string> labels) {
  if (is_there_) co_return Result<void>();
  wire::WriteContentRequest request;
  request.set_action(wire::WRITE_COMMIT);
  request.set_ref(ticket_.ref);
  request.set_total(offset_);
  request.set_expected(std::move(digest));
  request.set_offset(offset_);
  for (auto& [key, value] : labels) (*request.mutable_labels())[key] = value;
  const auto answer = co_await stream_->exchange(request.SerializeAsString());
  if (!answer && answer.error().code() != ErrorCode::already_exists) co_return write_failed(answer.error());
  co_return Result<void>();
}

}  // namespace sandboxd::containerd
