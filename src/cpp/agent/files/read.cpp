#include "agent/files/read.hpp"

#include <algorithm>
#include <fcntl.h>

namespace sandboxd::agent {

namespace {

// A little less than a frame may hold, and than a packet on the node's loopback: passed on with a chunk's length around
// it, it still is one.
constexpr std::size_t kPieceBytes = 60 * 1024;

}  // namespace

void ReadCall::open(const Acting& acting, const Read& read, Channel& channel) {
  Fd file;
  struct stat status{};
  {
    const ActAs as(*acting.own, acting.identity);
    if (as.problem()) return channel.fail(as.problem());
    if (const Problem failed = open_regular(acting.path, O_RDONLY, file, status)) return channel.fail(failed);
  }
  FileStatus described = describe(status, acting.asked, acting.path, acting.names);
  if (read.offset > INT64_MAX) return channel.fail({EINVAL, "offset: too large"});
  channel.set_call(std::make_unique<ReadCall>(std::move(file), std::move(described), read));
}

bool ReadCall::step(Channel& channel) {
  static char piece[kPieceBytes];
  const std::size_t room = std::min(channel.room(), sizeof piece);
  const std::size_t most = static_cast<std::size_t>(std::min<std::uint64_t>(room, left_));
  if (most == 0 && left_ > 0) return false;
  const ssize_t n = most == 0 ? 0 : ::pread(file_.get(), piece, most, static_cast<off_t>(offset_));
  if (n < 0 && errno == EINTR) return true;
  if (n < 0) {
    channel.fail(problem(errno, "read " + status_.path));
    return false;
  }
  if (n == 0) {
    channel.send_eof();
    channel.reply(status_);
    return false;
  }
  channel.send({piece, static_cast<std::size_t>(n)}, static_cast<std::size_t>(n));
  offset_ += static_cast<std::uint64_t>(n);
  left_ -= static_cast<std::uint64_t>(n);
  return true;
}

}  // namespace sandboxd::agent
