#include "orch/polled_calls.hpp"

#include "codec/life_mark.hpp"

namespace sandboxd::orch {
namespace {

// The first digits of every uid name the control plane that drew it.
constexpr std::size_t kInstanceLength = 8;

bool same_maker(const std::string& uid, const std::string& other) {
  return other.size() == uid.size() && other.substr(0, kInstanceLength) == uid.substr(0, kInstanceLength);
}

}  // namespace

Task<Result<void>> create_polled(ports::NodeTransport& transport, model::NodeAddress node,
                                 model::NodeCreateRequest request) {
  SBX_CO_TRY(found, co_await transport.find_sandbox(node, request.id));
  if (found && found->uid == request.uid) co_return Result<void>();
  if (found && !same_maker(request.uid, found->uid)) {
    co_return Error(ErrorCode::already_exists, "sandbox already exists: " + request.id.str());
  }
  if (found) SBX_CO_CHECK(co_await transport.remove_sandbox(node, request.id, found->uid));
  codec::mark_life(request);
  auto created = co_await transport.create_sandbox(node, std::move(request));
  if (!created && created.error().code() == ErrorCode::already_exists) {
    // It was not there a moment ago: perhaps an earlier attempt arrived only now.
    co_return Error(ErrorCode::unavailable, created.error().message());
  }
  co_return created;
}

Task<Result<void>> remove_polled(ports::NodeTransport& transport, model::NodeAddress node, SandboxId id,
                                 std::string uid) {
  SBX_CO_TRY(found, co_await transport.find_sandbox(node, id));
  if (!found || found->uid != uid) co_return Result<void>();
  auto removed = co_await transport.remove_sandbox(node, id, uid);
  co_return removed;
}

}  // namespace sandboxd::orch
