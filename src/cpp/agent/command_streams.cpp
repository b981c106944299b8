// A command's pipes and terminal.
#include "agent/command.hpp"
#include "agent/users.hpp"

#include <algorithm>
#include <fcntl.h>
#include <signal.h>
#include <span>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <termios.h>

namespace sandboxd::agent {
namespace {

// `ours` does not wait; whether the child's end does is its own affair.
Problem make_pipe(Fd& reads, Fd& writes, bool we_read) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return problem(errno, "pipe");
  reads.reset(ends[0]);
  writes.reset(ends[1]);
  ::fcntl(we_read ? ends[0] : ends[1], F_SETFL, O_NONBLOCK);
  return {};
}

winsize size_of(std::uint16_t rows, std::uint16_t columns) {
  winsize size{};
  size.ws_row = rows;
  size.ws_col = columns;
  return size;
}

}  // namespace

Problem Command::make_pipes(bool has_stdin, Ends& ends) {
  if (Problem failed = make_pipe(streams_[0].fd, ends.out, true)) return failed;
  if (Problem failed = make_pipe(streams_[1].fd, ends.err, true)) return failed;
  if (has_stdin) return make_pipe(ends.in, stdin_fd_, false);
  ends.in.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (ends.in.is_open()) return {};
  // An image without /dev/null: a pipe that is at its end does as well.
  Fd unused;
  return make_pipe(ends.in, unused, false);
}

// Opened as the user, the terminal is the user's, and nobody needs the right to give it away.
Problem Command::make_terminal(const Start& start, const Identity& identity, const Rights& own, Ends& ends) {
  const ActAs acting(own, identity);
  if (acting.problem()) return acting.problem();
  Fd master(::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  if (!master.is_open()) master.reset(::open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  if (!master.is_open()) return problem(errno, "open /dev/ptmx");
  const int unlocked = 0;
  unsigned number = 0;
  if (::ioctl(master.get(), TIOCSPTLCK, &unlocked) != 0 || ::ioctl(master.get(), TIOCGPTN, &number) != 0) {
    return problem(errno, "terminal");
  }
  const std::string name = "/dev/pts/" + std::to_string(number);
  ends.in.reset(::open(name.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!ends.in.is_open()) return problem(errno, "open " + name);
  const winsize size = size_of(start.rows, start.columns);
  ::ioctl(ends.in.get(), TIOCSWINSZ, &size);
  streams_[0].fd = std::move(master);
  return {};
}

Problem Command::resize(std::uint16_t rows, std::uint16_t columns) const {
  if (!terminal_) return {ENOTTY, "command " + id_ + " has no terminal"};
  if (!streams_[0].fd.is_open()) return {ESRCH, "command " + id_ + " has ended"};
  const winsize size = size_of(rows, columns);
  const int fd = streams_[0].fd.get();
  if (::ioctl(fd, TIOCSWINSZ, &size) != 0) return problem(errno, "resize command " + id_);
  // Not every kernel (gVisor's does not) tells the programs in the foreground.
  pid_t foreground = 0;
  if (::ioctl(fd, TIOCGPGRP, &foreground) != 0 || foreground <= 1) foreground = pid_;
  if (foreground > 1 && is_running()) ::kill(-foreground, SIGWINCH);
  return {};
}

void Command::watch_output(Stream& stream) {
  if (!stream.fd.is_open()) return;
  loop_.watch(stream.fd.get(), EPOLLIN, [this, &stream](std::uint32_t events) {
    if ((events & EPOLLOUT) != 0) flush_stdin();
    if ((events & ~std::uint32_t{EPOLLOUT}) != 0) read_output(stream);
  });
}

bool Command::read_output(Stream& stream) {
  if (!stream.fd.is_open()) return false;
  const std::uint64_t room = stream.ring.room();
  stream.is_paused = room == 0;
  if (stream.is_paused) {
    loop_.change(stream.fd.get(), 0);
    return false;
  }
  // Up to the end of a chunk of the ring, which goes out as one frame.
  const std::span<char> space = stream.ring.space(room);
  const ssize_t n = ::read(stream.fd.get(), space.data(), space.size());
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (n <= 0) {  // a terminal that nobody has open any more ends with EIO
    close_output(stream);
    if (has_exited_ && is_at_eof()) set_over();
    return false;
  }
  stream.ring.commit(static_cast<std::size_t>(n));
  if (terminal_) active_ns = wall_ns();
  wake_readers();
  return true;
}

void Command::close_output(Stream& stream) {
  if (!stream.fd.is_open()) return;
  loop_.unwatch(stream.fd.get());
  stream.fd.reset();
  stream.is_paused = false;
  if (terminal_) shut_stdin();
  wake_readers();
}

void Command::consume(Output output, std::uint64_t position) {
  Stream& stream = streams_[output == Output::out ? 0 : 1];
  stream.ring.consume_to(position);
  if (!stream.is_paused || stream.ring.room() == 0) return;
  stream.is_paused = false;
  const bool writes = terminal_ && !stdin_.empty();
  loop_.change(stream.fd.get(), writes ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

bool Command::write_stdin(std::string_view bytes) {
  if (!stdin_open_ || stdin_ends_) {
    stdin_taken_ += bytes.size();
    return true;
  }
  if (stdin_.size() + bytes.size() > kStdinBytesMax) return false;
  stdin_.append(bytes);
  flush_stdin();
  return true;
}

void Command::close_stdin() {
  if (!stdin_open_ || stdin_ends_) return;
  stdin_ends_ = true;
  if (terminal_) {
    termios settings{};
    const bool is_known = ::ioctl(streams_[0].fd.get(), TCGETS, &settings) == 0;
    stdin_.push_back(is_known ? static_cast<char>(settings.c_cc[VEOF]) : '\4');
  }
  flush_stdin();
}

void Command::flush_stdin() {
  const int fd = terminal_ ? streams_[0].fd.get() : stdin_fd_.get();
  if (!stdin_open_ || fd < 0) return;
  std::size_t written = 0;
  while (written < stdin_.size()) {
    const ssize_t n = ::write(fd, stdin_.data() + written, stdin_.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n <= 0) return shut_stdin();
    written += static_cast<std::size_t>(n);
  }
  stdin_.erase(0, written);
  stdin_taken_ += written;
  if (written > 0) wake_readers();
  if (stdin_.empty() && stdin_ends_) return shut_stdin();
  const bool waits = !stdin_.empty();
  if (terminal_) {
    if (!streams_[0].is_paused)
      loop_.change(fd, waits ? EPOLLIN | EPOLLOUT : EPOLLIN);
    else if (waits)
      loop_.change(fd, EPOLLOUT);
  } else if (waits) {
    loop_.unwatch(fd);
    loop_.watch(fd, EPOLLOUT, [this](std::uint32_t) { flush_stdin(); });
  } else {
    loop_.unwatch(fd);
  }
}

void Command::shut_stdin() {
  if (!std::exchange(stdin_open_, false)) return;
  stdin_taken_ += stdin_.size();
  stdin_.clear();
  if (stdin_fd_.is_open()) {
    loop_.unwatch(stdin_fd_.get());
    stdin_fd_.reset();
  }
  wake_readers();
}

}  // namespace sandboxd::agent
