#include "containerd/content.hpp"

#include "containerd/methods.hpp"
#include "containerd/rpc.hpp"
#include "containerd/wire.pb.h"

namespace sandboxd::containerd {

namespace {

constexpr std::size_t kDocumentBytesMax = 8 * 1024 * 1024;

}  // namespace

Task<Result<std::string>> read_blob(Context* context, std::string digest) {
  wire::ReadContentRequest request;
  request.set_digest(digest);
  const auto stream =
      context->channel.open_stream(method::kContentRead, request.SerializeAsString(), context->options.call_timeout);
  std::string document;
  while (true) {
    auto message = co_await stream->next();
    if (!message) {
      if (message.error().code() == ErrorCode::unavailable) co_return message.error();
      co_return Error(ErrorCode::image_failed, "its content is incomplete: " + message.error().message());
    }
    if (!*message) co_return document;
    wire::ReadContentReply reply;
    if (!reply.ParseFromString(**message)) co_return Error(ErrorCode::protocol_error, "unreadable content");
    document += reply.data();
    if (document.size() > kDocumentBytesMax) co_return Error(ErrorCode::image_failed, "its manifest is over 8 MiB");
  }
}

}  // namespace sandboxd::containerd
