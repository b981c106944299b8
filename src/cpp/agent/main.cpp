// sandboxd-agent [DIRECTORY]: the first process of a container. DIRECTORY holds its setup and the node's socket.
#include "agent/files/access.hpp"
#include "agent/init.hpp"

#include <fcntl.h>

namespace {

using namespace sandboxd::agent;

constexpr int kUsage = 125;

int refuse(const std::string& text) {
  const std::string line = "sandboxd-agent: " + text + "\n";
  static_cast<void>(!::write(2, line.data(), line.size()));
  return kUsage;
}

// What is opened later must not become a standard stream.
void open_standard_streams() {
  while (true) {
    const int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0 || fd > 2) {
      if (fd > 2) ::close(fd);
      return;
    }
    ::fcntl(fd, F_SETFD, 0);
  }
}

}  // namespace

int main(int argc, char** argv) {
  open_standard_streams();
  const std::string directory = argc > 1 ? argv[1] : kDirectory;
  const std::string file = join(directory, kSetupName);
  const auto text = read_text(file.c_str(), 4 * kFrameBytesMax);
  if (!text) return refuse(file + " cannot be read");
  const auto setup = decode<Setup>(*text);
  if (!setup) return refuse(file + " is no setup of this version");
  if (setup->version != kVersion) return refuse(file + " is of version " + std::to_string(setup->version));
  Loop loop;
  Init init(loop, *setup, directory);
  return init.run();
}
