#include "agent/system.hpp"

#include <fcntl.h>
#include <sys/stat.h>

namespace sandboxd::agent {

std::optional<std::string> read_text(const char* path, std::size_t most) {
  struct stat status{};
  if (::stat(path, &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  const Fd file(::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file.is_open() || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  std::string text;
  char piece[16 * 1024];
  while (text.size() < most) {
    const ssize_t n = ::read(file.get(), piece, sizeof piece);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::nullopt;
    if (n == 0) break;
    text.append(piece, static_cast<std::size_t>(n));
  }
  if (text.size() > most) text.resize(most);
  return text;
}

}  // namespace sandboxd::agent
