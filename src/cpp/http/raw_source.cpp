#include "http/raw_source.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace sandboxd::http {
namespace {

constexpr int kPipeBytes = 1024 * 1024;
constexpr std::size_t kPipeBytesUsual = 64 * 1024;

}  // namespace

std::optional<Pipe> Pipe::open() {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return std::nullopt;
  const int room = ::fcntl(ends[1], F_SETPIPE_SZ, kPipeBytes);
  return Pipe(ends[0], ends[1], room > 0 ? static_cast<std::size_t>(room) : kPipeBytesUsual);
}

Pipe::Pipe(Pipe&& other) noexcept
    : read_(std::exchange(other.read_, -1)), write_(std::exchange(other.write_, -1)), room_(other.room_) {}

Pipe::~Pipe() {
  if (read_ >= 0) ::close(read_);
  if (write_ >= 0) ::close(write_);
}

}  // namespace sandboxd::http
