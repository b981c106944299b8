#include "agent/files/write.hpp"

#include <fcntl.h>

namespace sandboxd::agent {

void WriteCall::open(const Acting& acting, const Write& write, Channel& channel) {
  auto call = std::make_unique<WriteCall>(acting, write, channel);
  const ActAs as(*acting.own, acting.identity);
  if (as.problem()) return channel.fail(as.problem());
  if (const Problem failed = call->prepare()) return channel.fail(failed);
  channel.set_call(std::move(call));
}

WriteCall::~WriteCall() {
  if (temporary_.empty()) return;
  const ActAs as(*acting_.own, acting_.identity);
  if (!as.problem()) ::unlink(temporary_.c_str());
}

// A write through a symbolic link is for the file that it names, which need not exist yet.
Problem WriteCall::follow_links() {
  for (int links = 0; links < 40; ++links) {
    char link[4096];
    const ssize_t size = ::readlink(target_.c_str(), link, sizeof link);
    if (size < 0) return {};
    const std::string to(link, static_cast<std::size_t>(size));
    if (const Problem wrong = place(to, folder_of(target_), target_)) return wrong;
  }
  return problem(ELOOP, "open " + acting_.asked);
}

Problem WriteCall::prepare() {
  if (const Problem failed = follow_links()) return failed;
  if (write_.parents) {
    if (const Problem failed = make_folders(folder_of(target_), 0755)) return failed;
  }
  replaces_ = ::lstat(target_.c_str(), &replaced_) == 0;
  if (replaces_ && !S_ISREG(replaced_.st_mode)) return not_regular(acting_.asked, replaced_.st_mode);
  // Whoever may not write to a file may not replace it either.
  if (replaces_ && ::faccessat(AT_FDCWD, target_.c_str(), W_OK, AT_EACCESS) != 0) {
    return problem(errno, "open " + acting_.asked);
  }
  temporary_ = join(folder_of(target_), ".sandboxd-" + random_name());
  file_.reset(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (file_.is_open()) return {};
  temporary_.clear();
  return problem(errno, "create " + acting_.asked);
}

void WriteCall::on_data(std::string_view bytes) {
  std::size_t written = 0;
  while (written < bytes.size()) {
    const ssize_t n = ::write(file_.get(), bytes.data() + written, bytes.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return channel_.fail(problem(n < 0 ? errno : ENOSPC, "write " + acting_.asked));
    written += static_cast<std::size_t>(n);
  }
  channel_.consumed(bytes.size());
}

void WriteCall::on_eof() {
  FileStatus status;
  if (const Problem failed = finish(status)) return channel_.fail(failed);
  channel_.reply(status);
}

Problem WriteCall::finish(FileStatus& status) {
  const ActAs as(*acting_.own, acting_.identity);
  if (as.problem()) return as.problem();
  // The owner stays as far as the user may see to that; the mode after it, as a change of owner clears bits of it.
  if (replaces_ && ::fchown(file_.get(), replaced_.st_uid, replaced_.st_gid) != 0) {
    static_cast<void>(::fchown(file_.get(), static_cast<uid_t>(-1), replaced_.st_gid));
  }
  const mode_t asked = write_.mode & 07777U;
  const mode_t mode = asked != 0 ? asked : (replaces_ ? replaced_.st_mode & 07777U : 0644U);
  if (::fchmod(file_.get(), mode) != 0) return problem(errno, "chmod " + acting_.asked);
  struct stat now{};
  if (::fstat(file_.get(), &now) != 0) return problem(errno, "stat " + acting_.asked);
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) return problem(errno, "replace " + acting_.asked);
  temporary_.clear();
  status = describe(now, acting_.asked, target_, acting_.names);
  return {};
}

}  // namespace sandboxd::agent
