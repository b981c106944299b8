#include "logs/directory_watch.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>
#include <sys/inotify.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace sandboxd::logs {
namespace {

namespace asio = boost::asio;

constexpr std::uint32_t kMask = IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_ONLYDIR | IN_DONT_FOLLOW;

}  // namespace

class DirectoryWatch::State : public std::enable_shared_from_this<State> {
 public:
  State(const asio::any_io_executor& executor, int fd) : inotify_(executor, fd) {}

  Result<std::uint64_t> add(const std::string& path, std::function<void()> changed) {
    const int watch = ::inotify_add_watch(inotify_.native_handle(), path.c_str(), kMask);
    if (watch < 0 && errno == ENOSPC)
      return Error(ErrorCode::resource_exhausted,
                   "watch " + path + ": fs.inotify.max_user_watches is reached; raise it");
    if (watch < 0) return errno_error(errno, "watch " + path, ErrorCode::storage_failed);
    const std::uint64_t number = ++last_number_;
    listeners_[number] = {watch, std::move(changed)};
    return number;
  }

  void remove(std::uint64_t number) {
    const auto found = listeners_.find(number);
    if (found == listeners_.end()) return;
    const int watch = found->second.watch;
    listeners_.erase(found);
    // Several listeners of one directory share the kernel's watch.
    for (const auto& [other, listener] : listeners_) {
      if (listener.watch == watch) return;
    }
    if (watch >= 0 && inotify_.is_open()) ::inotify_rm_watch(inotify_.native_handle(), watch);
  }

  void wait() {
    inotify_.async_wait(asio::posix::stream_descriptor::wait_read,
                        [self = shared_from_this()](const boost::system::error_code& error) {
                          if (error || !self->inotify_.is_open()) return;
                          self->read();
                          self->wait();
                        });
  }

  void close() {
    boost::system::error_code ignored;
    inotify_.close(ignored);
  }

 private:
  struct Listener {
    int watch = -1;
    std::function<void()> changed;
  };

  void read() {
    alignas(inotify_event) char buffer[16 * 1024];
    for (;;) {
      const ssize_t size = ::read(inotify_.native_handle(), buffer, sizeof buffer);
      if (size < 0 && errno == EINTR) continue;
      if (size <= 0) return;
      for (std::size_t at = 0; at + sizeof(inotify_event) <= static_cast<std::size_t>(size);) {
        inotify_event event{};
        std::memcpy(&event, buffer + at, sizeof event);
        at += sizeof event + event.len;
        tell(event);
      }
    }
  }

  void tell(const inotify_event& event) {
    std::vector<std::function<void()>> calls;
    for (auto& [number, listener] : listeners_) {
      // After an overflow of the queue nobody knows whom it concerned.
      if (listener.watch != event.wd && event.wd != -1) continue;
      calls.push_back(listener.changed);
      if ((event.mask & IN_IGNORED) != 0) listener.watch = -1;  // the kernel may give the number to another directory
    }
    for (const auto& call : calls) call();
  }

  asio::posix::stream_descriptor inotify_;
  std::map<std::uint64_t, Listener> listeners_;
  std::uint64_t last_number_ = 0;
};

namespace {

template <class State>
class Entry final : public DirectoryWatch::Subscription {
 public:
  Entry(std::weak_ptr<State> state, std::uint64_t number) : state_(std::move(state)), number_(number) {}
  ~Entry() override {
    if (const auto state = state_.lock()) state->remove(number_);
  }
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

 private:
  std::weak_ptr<State> state_;
  std::uint64_t number_;
};

}  // namespace

DirectoryWatch::DirectoryWatch(asio::any_io_executor executor) : executor_(std::move(executor)) {}

DirectoryWatch::~DirectoryWatch() {
  if (state_) state_->close();
}

Result<std::unique_ptr<DirectoryWatch::Subscription>> DirectoryWatch::watch(const std::string& path,
                                                                            std::function<void()> changed) {
  if (!state_) {
    const int fd = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0) return errno_error(errno, "start inotify", ErrorCode::resource_exhausted);
    state_ = std::make_shared<State>(executor_, fd);
    state_->wait();
  }
  SBX_TRY(number, state_->add(path, std::move(changed)));
  return std::unique_ptr<Subscription>(std::make_unique<Entry<State>>(state_, number));
}

}  // namespace sandboxd::logs
