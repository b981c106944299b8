#include "agent/link.hpp"

#include <algorithm>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace sandboxd::agent {
namespace {

constexpr std::int64_t kMilli = 1'000'000;
constexpr std::int64_t kDelayMinNs = 1 * kMilli;
constexpr std::int64_t kDelayMaxNs = 1000 * kMilli;
constexpr std::int64_t kGoodNs = 1000 * kMilli;  // a connection that lasted so long was no failed try
constexpr std::size_t kPieceBytes = 128 * 1024;
constexpr int kSlicesOfSend = 4;  // small frames go out together: a system call is dear in some sandboxes

}  // namespace

void Link::connect() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_.size() >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, socket_.c_str(), socket_.size() + 1);
  fd_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd_.is_open() || ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return disconnect();
  }
  connected_at_ = mono_ns();
  session_ = std::make_unique<Session>(requests_);
  session_->send_event(Type::hello, hello_());
  loop_.watch(fd_.get(), EPOLLIN, [this](std::uint32_t events) { on_ready(events); });
}

void Link::disconnect() {
  session_.reset();
  if (fd_.is_open()) {
    loop_.unwatch(fd_.get());
    fd_.reset();
  }
  if (connected_at_ != 0 && mono_ns() - connected_at_ >= kGoodNs) delay_ns_ = kDelayMinNs;
  connected_at_ = 0;
  loop_.after(delay_ns_, [this] { connect(); });
  delay_ns_ = std::min(delay_ns_ * 2, kDelayMaxNs);
}

void Link::on_ready(std::uint32_t events) {
  const bool is_readable = (events & ~std::uint32_t{EPOLLOUT}) != 0;
  if (is_readable && !session_->is_clogged() && !receive()) disconnect();
}

bool Link::receive() {
  static char piece[kPieceBytes];
  const ssize_t n = ::recv(fd_.get(), piece, sizeof piece, MSG_DONTWAIT);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  return n > 0 && session_->feed({piece, static_cast<std::size_t>(n)});
}

bool Link::flush() {
  while (true) {
    const std::string_view waiting = session_->outbox();
    if (waiting.empty()) return true;
    const ssize_t n = ::send(fd_.get(), waiting.data(), waiting.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN;
    session_->sent(static_cast<std::size_t>(n));
  }
}

bool Link::step() {
  if (!session_) return false;
  bool has_more = session_->step();
  for (int slice = 1; slice < kSlicesOfSend && has_more; ++slice) has_more = session_->step();
  if (!flush()) {
    disconnect();
    return false;
  }
  const bool writes = !session_->outbox().empty();
  const std::uint32_t reads = session_->is_clogged() ? 0U : std::uint32_t{EPOLLIN};
  loop_.change(fd_.get(), reads | (writes ? std::uint32_t{EPOLLOUT} : 0U));
  return has_more;
}

}  // namespace sandboxd::agent
