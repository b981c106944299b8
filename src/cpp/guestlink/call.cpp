#include "guestlink/call.hpp"

#include "base/limits.hpp"

#include <cerrno>
#include <utility>

namespace sandboxd::guestlink {
namespace {

constexpr std::size_t kJoinFrom = 8;

// Every frame of data is a message of its own: nothing of these may be joined.
bool has_messages(agent::Type request) { return request == agent::Type::list || request == agent::Type::watch; }

ErrorCode code_of(int number) {
  switch (number) {
    case ENOENT:
    case ESRCH:
    case ENXIO: return ErrorCode::not_found;
    case EEXIST: return ErrorCode::already_exists;
    case EACCES:
    case EPERM:
    case EROFS: return ErrorCode::permission_denied;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EAGAIN: return ErrorCode::resource_exhausted;
    case EBUSY:
    case ENOTEMPTY:
    case ETXTBSY:
    case EPIPE: return ErrorCode::conflict;
    case EFBIG:
    case E2BIG: return ErrorCode::too_large;
    case ECANCELED: return ErrorCode::cancelled;
    case ENOSYS:
    case EOPNOTSUPP: return ErrorCode::unsupported;
    case ENOSPC:
    case EDQUOT:
    case EIO: return ErrorCode::storage_failed;
    default: return ErrorCode::invalid_argument;
  }
}

}  // namespace

std::size_t Call::push(model::OutputPiece piece) {
  if (!has_messages(request)) {
    for (auto at = pieces.rbegin(); at != pieces.rend(); ++at) {
      // A queue that grows is looked through; what a fast reader sees keeps the order of arrival.
      if (at != pieces.rbegin() && pieces.size() < kJoinFrom) break;
      if (at->is_stderr != piece.is_stderr) continue;
      const bool follows = request != agent::Type::attach || at->position + at->bytes.size() == piece.position;
      if (!follows) break;
      at->bytes += piece.bytes;
      return 0;
    }
  }
  if (pieces.size() >= (request == agent::Type::watch ? kFileEventsMax : kPiecesMax)) {
    has_lost = true;
    return piece.bytes.size();
  }
  pieces.push_back(std::move(piece));
  return 0;
}

std::optional<model::OutputPiece> Call::pop() {
  if (pieces.empty()) return std::nullopt;
  model::OutputPiece piece = std::move(pieces.front());
  pieces.pop_front();
  return piece;
}

bool gives_data(agent::Type request) {
  switch (request) {
    case agent::Type::attach:
    case agent::Type::read:
    case agent::Type::list:
    case agent::Type::watch:
    case agent::Type::pack: return true;
    default: return false;
  }
}

bool takes_data(agent::Type request) {
  return request == agent::Type::attach || request == agent::Type::write || request == agent::Type::unpack;
}

Error failed_error(const agent::Failed& failed) {
  std::string text = failed.text.substr(0, limits::kErrorTextMax);
  if (text.empty()) text = "the sandbox's agent refused, errno " + std::to_string(failed.error);
  return {code_of(failed.error), std::move(text)};
}

}  // namespace sandboxd::guestlink
