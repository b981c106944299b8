#include "guestlink/directories.hpp"

#include "agent/protocol.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace sandboxd::guestlink {
namespace {

namespace fs = std::filesystem;

constexpr int kBacklog = 4;
constexpr std::string_view kKept = ".program-";

Error failed(int number, const std::string& what) {
  const Error error = errno_error(number, what, ErrorCode::storage_failed);
  return {number == ENOENT ? ErrorCode::not_found : ErrorCode::storage_failed, error.message()};
}

Result<void> make_directory(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return failed(errno, "make directory " + path);
  if (::chmod(path.c_str(), mode) != 0) return failed(errno, "chmod " + path);
  return {};
}

struct Descriptor {
  explicit Descriptor(int number) : fd(number) {}
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int take() { return std::exchange(fd, -1); }
  int fd;
};

}  // namespace

// A program of another build is another file: agents that run keep theirs.
Result<std::string> Directories::keep_program() const {
  struct stat facts{};
  if (::stat(program_.c_str(), &facts) != 0) return failed(errno, "the in-sandbox agent " + program_);
  const std::string name = std::string(kKept) + std::to_string(facts.st_size) + "-" +
                           std::to_string(facts.st_mtim.tv_sec) + "." + std::to_string(facts.st_mtim.tv_nsec);
  const std::string path = root_ + "/" + name;
  if (::access(path.c_str(), F_OK) == 0) return path;
  std::error_code failure;
  const std::string fresh = path + ".new";
  fs::copy_file(program_, fresh, fs::copy_options::overwrite_existing, failure);
  if (failure) return failed(failure.value(), "copy " + program_ + " to " + fresh);
  if (::chmod(fresh.c_str(), 0555) != 0) return failed(errno, "chmod " + fresh);
  for (const auto& entry : fs::directory_iterator(root_, failure)) {
    const std::string other = entry.path().filename().string();
    if (other.starts_with(kKept) && entry.path() != fresh) fs::remove(entry.path(), failure);
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return failed(errno, "rename " + fresh);
  return path;
}

Result<void> Directories::make(const std::string& key) const {
  SBX_CHECK(make_directory(root_, 0700));
  SBX_TRY(program, keep_program());
  const std::string directory = path(key);
  SBX_CHECK(make_directory(directory, 0755));
  for (const char* name : {agent::kProgramName, agent::kSetupName}) {
    const std::string file = directory + "/" + name;
    if (::unlink(file.c_str()) != 0 && errno != ENOENT) return failed(errno, "remove " + file);
  }
  const std::string file = directory + "/" + agent::kProgramName;
  if (::link(program.c_str(), file.c_str()) == 0) return {};
  std::error_code failure;
  fs::copy_file(program, file, failure);
  if (failure) return failed(failure.value(), "copy " + program + " to " + file);
  return {};
}

Result<void> Directories::write_setup(const std::string& key, std::string_view bytes) const {
  const std::string file = path(key) + "/" + agent::kSetupName;
  const Descriptor out(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (out.fd < 0) return failed(errno, "open " + file);
  while (!bytes.empty()) {
    const ssize_t count = ::write(out.fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed(errno, "write " + file);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

Result<void> Directories::remove(const std::string& key) const {
  std::error_code failure;
  fs::remove_all(path(key), failure);
  if (failure) return failed(failure.value(), "remove " + path(key));
  return {};
}

Result<std::vector<std::string>> Directories::list() const {
  std::vector<std::string> keys;
  std::error_code failure;
  for (const auto& entry : fs::directory_iterator(root_, failure)) {
    std::string name = entry.path().filename().string();
    if (!name.starts_with('.')) keys.push_back(std::move(name));
  }
  if (failure && failure != std::errc::no_such_file_or_directory) return failed(failure.value(), "list " + root_);
  return keys;
}

Result<int> listen_in(const std::string& directory) {
  const Descriptor place(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (place.fd < 0) return failed(errno, "open " + directory);
  if (::unlinkat(place.fd, agent::kSocketName, 0) != 0 && errno != ENOENT)
    return failed(errno, "remove " + directory + "/" + agent::kSocketName);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = "/proc/self/fd/" + std::to_string(place.fd) + "/" + agent::kSocketName;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);  // far below its size
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket.fd < 0) return failed(errno, "socket");
  if (::bind(socket.fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    return failed(errno, "bind in " + directory);
  // Before it listens: nobody comes in between.
  if (::chmod(path.c_str(), 0600) != 0) return failed(errno, "chmod " + path);
  if (::listen(socket.fd, kBacklog) != 0) return failed(errno, "listen in " + directory);
  return socket.take();
}

}  // namespace sandboxd::guestlink
