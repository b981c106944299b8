#include "agent/files/list.hpp"

#include <algorithm>
#include <fcntl.h>

namespace sandboxd::agent {
namespace {

constexpr int kNamesOfSlice = 2048;
constexpr int kEntriesOfSlice = 256;
constexpr std::size_t kFrameBytes = 48 * 1024;  // with one entry more still a frame
constexpr std::size_t kLevelsMax = 1024;

bool is_dots(const char* name) { return std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0; }

}  // namespace

Problem Folder::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return problem(errno, "open " + path);
  stream_.reset(::fdopendir(fd));
  if (stream_) return {};
  const int error = errno;
  ::close(fd);
  return problem(error, "open " + path);
}

bool Folder::read_some() {
  if (!stream_) return false;
  for (int i = 0; i < kNamesOfSlice; ++i) {
    const dirent* const entry = ::readdir(stream_.get());
    if (entry == nullptr) {
      stream_.reset();
      std::sort(names_.begin(), names_.end());
      return false;
    }
    if (!is_dots(entry->d_name)) names_.emplace_back(entry->d_name);
  }
  return true;
}

bool Folder::next(std::string& name) {
  if (next_ == names_.size()) return false;
  name = std::move(names_[next_++]);
  return true;
}

void ListCall::open(const Acting& acting, const Path& path, Channel& channel) {
  auto call = std::make_unique<ListCall>(acting, std::max(path.depth, 1U));
  const ActAs as(*acting.own, acting.identity);
  if (as.problem()) return channel.fail(as.problem());
  auto level = std::make_unique<Level>();
  if (const Problem failed = level->folder.open(acting.path)) return channel.fail(failed);
  call->levels_.push_back(std::move(level));
  channel.set_call(std::move(call));
}

// A slice of the walk. False: it is over.
bool ListCall::gather() {
  for (int i = 0; i < kEntriesOfSlice && pending_bytes_ < kFrameBytes; ++i) {
    if (levels_.empty()) return false;
    Level& level = *levels_.back();
    if (!level.is_read) {
      level.is_read = !level.folder.read_some();
      return true;
    }
    std::string name;
    if (!level.folder.next(name)) {
      levels_.pop_back();
      continue;
    }
    const std::string below = level.below.empty() ? name : level.below + "/" + name;
    const std::string real = join(acting_.path, below);
    FileStatus status;
    if (look(real, below, false, acting_.names, status)) continue;  // gone meanwhile
    pending_bytes_ += encode(status).size();
    const bool goes_in = S_ISDIR(status.mode) && levels_.size() < std::min<std::size_t>(depth_, kLevelsMax);
    pending_.entries.push_back(std::move(status));
    auto deeper = std::make_unique<Level>();
    // One that may not be read shows no entries.
    if (!goes_in || deeper->folder.open(real)) continue;
    deeper->below = below;
    levels_.push_back(std::move(deeper));
  }
  return true;
}

bool ListCall::send(Channel& channel) {
  if (pending_.entries.empty()) return true;
  const std::string payload = encode(pending_);
  if (payload.size() > channel.room()) return false;
  channel.send(payload, payload.size());
  pending_ = {};
  pending_bytes_ = 4;
  return true;
}

bool ListCall::step(Channel& channel) {
  bool has_more = true;
  if (pending_bytes_ < kFrameBytes) {
    const ActAs as(*acting_.own, acting_.identity);
    if (as.problem()) {
      channel.fail(as.problem());
      return false;
    }
    has_more = gather();
  }
  if (pending_bytes_ >= kFrameBytes || !has_more) {
    if (!send(channel)) return false;
  }
  if (!has_more) channel.reply(Empty{});
  return has_more;
}

}  // namespace sandboxd::agent
