#include "agent/files/watch.hpp"

#include "agent/files/list.hpp"

#include <sys/epoll.h>
#include <sys/inotify.h>

namespace sandboxd::agent {
namespace {

constexpr std::uint32_t kEvents =
    IN_CREATE | IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;
constexpr std::size_t kToldMax = 4096;

}  // namespace

void WatchCall::open(const Acting& acting, const Watch& watch, Loop& loop, Channel& channel) {
  auto call = std::make_unique<WatchCall>(acting, watch.recursive, loop, channel);
  const ActAs as(*acting.own, acting.identity);
  if (as.problem()) return channel.fail(as.problem());
  if (const Problem failed = call->start()) return channel.fail(failed);
  channel.set_call(std::move(call));
}

WatchCall::~WatchCall() {
  if (inotify_.is_open()) loop_.unwatch(inotify_.get());
}

Problem WatchCall::start() {
  inotify_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!inotify_.is_open()) return problem(errno, "watch " + acting_.asked);
  loop_.watch(inotify_.get(), EPOLLIN, [this](std::uint32_t) {
    loop_.change(inotify_.get(), 0);  // until the call has had its turn
    channel_.wake();
  });
  return add("", false);
}

Problem WatchCall::add(const std::string& below, bool tells) {
  const std::string path = below.empty() ? acting_.path : join(acting_.path, below);
  if (watches_.size() >= kWatchesMax) {
    tell_overflow();
    return {};
  }
  const int watch = ::inotify_add_watch(inotify_.get(), path.c_str(),
                                        kEvents | (below.empty() ? 0U : unsigned{IN_ONLYDIR | IN_DONT_FOLLOW}));
  if (watch < 0) return problem(errno, "watch " + (below.empty() ? acting_.asked : below));
  watches_[watch] = below;
  Folder folder;
  if (!recursive_ || folder.open(path)) return {};
  while (folder.read_some()) {
  }
  for (std::string name; folder.next(name);) {
    const std::string deeper = below.empty() ? name : below + "/" + name;
    struct stat status{};
    if (::lstat(join(acting_.path, deeper).c_str(), &status) != 0) continue;
    if (tells) tell(Change::created, deeper);
    // One that is gone or closed to the user shows no events.
    if (S_ISDIR(status.st_mode)) static_cast<void>(static_cast<bool>(add(deeper, tells)));
  }
  return {};
}

void WatchCall::tell(Change change, const std::string& path) {
  if (told_.size() >= kToldMax) return tell_overflow();
  told_.push_back({change, path});
}

void WatchCall::tell_overflow() {
  if (!std::exchange(is_overflown_, true)) told_.push_back({Change::overflow, ""});
}

void WatchCall::take(int watch, std::uint32_t mask, const std::string& name) {
  if ((mask & IN_Q_OVERFLOW) != 0) return tell_overflow();
  const auto found = watches_.find(watch);
  if (found == watches_.end()) return;
  const std::string below = found->second;
  if ((mask & IN_IGNORED) != 0) {
    watches_.erase(found);
    return;
  }
  const std::string path = name.empty() ? below : (below.empty() ? name : below + "/" + name);
  // The directory that holds it tells of one below; only the watched path itself has none.
  const bool is_own = name.empty();
  if (is_own && !below.empty()) return;
  if ((mask & (IN_CREATE | IN_MOVED_TO)) != 0) {
    tell(Change::created, path);
    if (recursive_ && (mask & IN_ISDIR) != 0) static_cast<void>(static_cast<bool>(add(path, true)));
  }
  if ((mask & IN_CLOSE_WRITE) != 0) tell(Change::written, path);
  if ((mask & IN_ATTRIB) != 0) tell(Change::attributes, path);
  if ((mask & (IN_MOVED_FROM | IN_MOVE_SELF)) != 0) tell(Change::renamed, path);
  if ((mask & (IN_DELETE | IN_DELETE_SELF)) != 0) tell(Change::removed, path);
}

void WatchCall::send_told(Channel& channel) {
  while (!told_.empty()) {
    const std::string payload = encode(told_.front());
    if (payload.size() > channel.room()) return;
    if (told_.front().change == Change::overflow) is_overflown_ = false;
    told_.pop_front();
    channel.send(payload, payload.size());
  }
}

// What waits is sent before more is read: the kernel's queue holds the rest, or tells that it could not.
bool WatchCall::step(Channel& channel) {
  send_told(channel);
  if (!told_.empty()) return false;
  alignas(inotify_event) static char bytes[16 * 1024];
  const ssize_t size = ::read(inotify_.get(), bytes, sizeof bytes);
  if (size <= 0) {
    loop_.change(inotify_.get(), EPOLLIN);
    return false;
  }
  const ActAs as(*acting_.own, acting_.identity);
  for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
    inotify_event event{};
    std::memcpy(&event, bytes + at, sizeof event);
    take(event.wd, event.mask, event.len > 0 ? std::string(bytes + at + sizeof event) : std::string());
    at += sizeof event + event.len;
  }
  return true;
}

}  // namespace sandboxd::agent
