// Typed calls over GrpcChannel. Private to this folder.
#pragma once

#include "containerd/grpc_channel.hpp"

#include <string>
#include <utility>

namespace sandboxd::containerd {

// One unary call. `request` is a serialised message. Errors: as GrpcChannel; protocol_error for an unreadable reply.
template <class Reply>
[[nodiscard]] Task<Result<Reply>> call(GrpcChannel& channel, std::string method, std::string request,
                                       CallOptions options) {
  SBX_CO_TRY(bytes, co_await channel.unary(method, std::move(request), std::move(options)));
  Reply reply;
  if (!reply.ParseFromString(bytes)) co_return Error(ErrorCode::protocol_error, method + ": unreadable reply");
  co_return reply;
}

}  // namespace sandboxd::containerd
