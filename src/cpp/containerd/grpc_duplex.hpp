// DuplexStream on gRPC's callbacks. Private to grpc_channel.cpp.
#pragma once

#include "containerd/grpc_channel.hpp"
#include "containerd/grpc_parts.hpp"

#include <grpcpp/generic/generic_stub.h>

#include <memory>
#include <string>

namespace sandboxd::containerd {

[[nodiscard]] std::unique_ptr<DuplexStream> start_duplex(grpc::GenericStub& stub, const std::string& method,
                                                         std::unique_ptr<grpc::ClientContext> context,
                                                         std::shared_ptr<Living> living, std::string socket);

}  // namespace sandboxd::containerd
