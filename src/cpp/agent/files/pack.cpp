#include "agent/files/pack.hpp"

#include <algorithm>
#include <fcntl.h>

namespace sandboxd::agent {
namespace {

constexpr std::size_t kOutBytes = 64 * 1024;
constexpr std::size_t kLinkedMax = 64 * 1024;  // more are archived as copies
constexpr int kEntriesOfSlice = 256;

}  // namespace

void PackCall::open(const Acting& acting, Channel& channel) {
  auto call = std::make_unique<PackCall>(acting);
  const ActAs as(*acting.own, acting.identity);
  if (as.problem()) return channel.fail(as.problem());
  struct stat status{};
  if (::stat(acting.path.c_str(), &status) != 0) return channel.fail(problem(errno, "pack " + acting.asked));
  Problem failed;
  if (S_ISDIR(status.st_mode)) {
    call->base_ = acting.path;
    failed = call->enter("");
  } else if (S_ISREG(status.st_mode)) {
    call->base_ = folder_of(acting.path);
    failed = call->add(name_of(acting.path));
  } else {
    failed = not_regular(acting.asked, status.st_mode);
  }
  if (failed) return channel.fail(failed);
  channel.set_call(std::move(call));
}

Problem PackCall::enter(const std::string& below) {
  auto level = std::make_unique<Level>();
  level->below = below;
  if (Problem failed = level->folder.open(below.empty() ? base_ : join(base_, below))) return failed;
  levels_.push_back(std::move(level));
  return {};
}

// False: it has no place in an archive (sockets, devices).
bool PackCall::set_kind(const std::string& real, const struct stat& status, TarEntry& entry) {
  if (S_ISDIR(status.st_mode)) {
    entry.kind = TarEntry::Kind::directory;
    entry.path += "/";
  } else if (S_ISLNK(status.st_mode)) {
    entry.kind = TarEntry::Kind::symbolic_link;
    entry.target = describe(status, "", real, Names({}, {})).target;
  } else if (S_ISFIFO(status.st_mode)) {
    entry.kind = TarEntry::Kind::fifo;
  } else if (!S_ISREG(status.st_mode)) {
    return false;
  } else if (status.st_nlink > 1) {
    const auto known = linked_.find({status.st_dev, status.st_ino});
    if (known != linked_.end()) {
      entry.kind = TarEntry::Kind::hard_link;
      entry.target = known->second;
    } else if (linked_.size() < kLinkedMax) {
      linked_[{status.st_dev, status.st_ino}] = entry.path;
    }
  }
  return true;
}

Problem PackCall::add(const std::string& below) {
  const std::string real = join(base_, below);
  struct stat status{};
  // A file that was asked for by a link is archived as what the link leads to.
  const bool is_asked = levels_.empty();
  if ((is_asked ? ::stat(real.c_str(), &status) : ::lstat(real.c_str(), &status)) != 0) return {};  // gone meanwhile
  TarEntry entry;
  entry.path = below;
  entry.mode = status.st_mode & 07777U;
  entry.uid = status.st_uid;
  entry.gid = status.st_gid;
  entry.owner = acting_.names.user(status.st_uid);
  entry.group = acting_.names.group(status.st_gid);
  entry.modified_ns = std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
  if (!set_kind(real, status, entry)) return {};
  if (entry.kind == TarEntry::Kind::file) {
    if (Problem failed = open_regular(real, O_RDONLY, file_, status)) return failed;
    entry.size = left_ = static_cast<std::uint64_t>(status.st_size);
    padding_ = tar_padding(left_);
    if (left_ == 0) file_.reset();
  }
  out_ += tar_header(entry);
  return entry.kind == TarEntry::Kind::directory ? enter(below) : Problem{};
}

// As many bytes as the header said: zeros when it has shrunk.
Problem PackCall::read_file() {
  static char piece[kOutBytes];
  const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(left_, sizeof piece));
  const ssize_t n = ::read(file_.get(), piece, wanted);
  if (n < 0 && errno != EINTR) return problem(errno, "read a file in " + acting_.asked);
  if (n > 0) out_.append(piece, static_cast<std::size_t>(n));
  if (n == 0) out_.append(wanted, '\0');
  if (n >= 0) left_ -= n > 0 ? static_cast<std::size_t>(n) : wanted;
  if (left_ > 0) return {};
  out_.append(padding_, '\0');
  file_.reset();
  return {};
}

Problem PackCall::gather() {
  for (int i = 0; i < kEntriesOfSlice && out_.size() < kOutBytes && !is_walked_; ++i) {
    if (file_.is_open()) {
      if (Problem failed = read_file()) return failed;
    } else if (levels_.empty()) {
      out_ += tar_end();
      is_walked_ = true;
    } else if (!levels_.back()->is_read) {
      levels_.back()->is_read = !levels_.back()->folder.read_some();
    } else if (std::string name; levels_.back()->folder.next(name)) {
      const std::string& folder = levels_.back()->below;
      if (Problem failed = add(folder.empty() ? name : folder + "/" + name)) return failed;
    } else {
      levels_.pop_back();
    }
  }
  return {};
}

bool PackCall::step(Channel& channel) {
  if (out_.size() < kOutBytes && !is_walked_) {
    const ActAs as(*acting_.own, acting_.identity);
    const Problem failed = as.problem() ? as.problem() : gather();
    if (failed) {
      channel.fail(failed);
      return false;
    }
  }
  const std::size_t size = std::min(channel.room(), out_.size());
  if (size > 0) channel.send(std::string_view(out_).substr(0, size), size);
  out_.erase(0, size);
  if (is_walked_ && out_.empty()) channel.reply(Empty{});
  return size > 0 || (!is_walked_ && out_.size() < kOutBytes);
}

}  // namespace sandboxd::agent
