#include "guestlink/call.hpp"

#include "base/limits.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace sandboxd::guestlink {
namespace {

constexpr std::size_t kJoinFrom = 8;
constexpr std::size_t kJoinedBytes = agent::kCreditStart;

// Every frame of data is a message of its own: nothing of these may be joined.
bool has_messages(agent::Type request) { return request == agent::Type::list || request == agent::Type::watch; }

// What is joined once will be again while the reader is busy: room is made for more, up to the credit, so that growing
// does not copy everything time and again.
void join(std::string& bytes, std::string_view more) {
  const std::size_t size = bytes.size() + more.size();
  if (size > bytes.capacity())
    bytes.reserve(std::max<std::size_t>(size, std::min<std::size_t>(4 * size, kJoinedBytes)));
  bytes += more;
}

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

std::size_t Call::push(const agent::ChunkView& chunk) {
  const bool is_stderr = chunk.output == agent::Output::err;
  if (!has_messages(request)) {
    for (auto at = pieces.rbegin(); at != pieces.rend(); ++at) {
      // A queue that grows is looked through; what a fast reader sees keeps the order of arrival.
      if (at != pieces.rbegin() && pieces.size() < kJoinFrom) break;
      if (at->is_stderr != is_stderr) continue;
      const bool follows = request != agent::Type::attach || at->position + at->bytes.size() == chunk.position;
      if (!follows) break;
      join(at->bytes, chunk.bytes);
      return 0;
    }
  }
  if (pieces.size() >= (request == agent::Type::watch ? kFileEventsMax : kPiecesMax)) {
    has_lost = true;
    return chunk.bytes.size();
  }
  pieces.push_back({is_stderr, chunk.position, std::string(chunk.bytes)});
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
