#include "logs/log_files.hpp"

#include "base/limits.hpp"
#include "codec/cri_log.hpp"
#include "logs/descriptor.hpp"
#include "model/spec.hpp"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace sandboxd::logs {
namespace {

Error too_large() { return {ErrorCode::too_large, "logs too large"}; }

// Appends the file's bytes; at most `bytes_max` in `content` altogether.
Result<void> append_file(int directory, const std::string& name, std::size_t bytes_max, std::string& content) {
  const Descriptor file(::openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (file.get() < 0) return errno_error(errno, "open " + name, ErrorCode::storage_failed);
  char buffer[64 * 1024];
  for (;;) {
    const ssize_t count = ::read(file.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_error(errno, "read " + name, ErrorCode::storage_failed);
    if (count == 0) return {};
    content.append(buffer, static_cast<std::size_t>(count));
    if (content.size() > bytes_max) return too_large();
  }
}

}  // namespace

Result<void> check_id(const SandboxId& sandbox) {
  if (model::is_valid_name(sandbox.str(), limits::kSandboxIdLengthMax)) return {};
  return Error(ErrorCode::invalid_argument, "invalid sandbox id");
}

Result<void> check_names(const SandboxId& sandbox, const std::string& container) {
  SBX_CHECK(check_id(sandbox));
  if (!model::is_valid_name(container, limits::kNameLengthMax))
    return Error(ErrorCode::invalid_argument, "invalid container name");
  return {};
}

Result<std::vector<std::string>> read_log(const std::string& data_dir, const SandboxId& sandbox,
                                          const std::string& container) {
  SBX_CHECK(check_names(sandbox, container));
  const std::string path = data_dir + "/logs/" + sandbox.str();
  const Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (directory.get() < 0) return errno_error(errno, "open " + path, ErrorCode::storage_failed);
  std::string content;
  const std::string name = container + ".log";
  const auto older = append_file(directory.get(), name + ".1", limits::kLogFileBytesMax, content);
  if (!older && older.error().code() != ErrorCode::not_found) return older.error();
  const auto newer = append_file(directory.get(), name, limits::kLogFileBytesMax, content);
  // Between a rotation's rename and its new file there is only the older one.
  if (!newer && (newer.error().code() != ErrorCode::not_found || !older)) return newer.error();
  return codec::split_lines(content);
}

}  // namespace sandboxd::logs
