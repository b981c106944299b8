// A command: its first process, its output in rings, its stdin. It lives until it is forgotten.
#pragma once

#include "agent/loop.hpp"
#include "agent/protocol.hpp"
#include "agent/ring.hpp"
#include "agent/session.hpp"
#include "agent/spawn.hpp"
#include "agent/system.hpp"
#include "agent/users.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace sandboxd::agent {

class Command {
 public:
  static constexpr std::size_t kStdinBytesMax = 1 << 20;  // not yet taken by the process

  Command(Loop& loop, const Start& start, std::function<void(Command&)> on_over);
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;
  ~Command();

  // Spawns the process; `plan` lacks the descriptors only. A program that cannot be run leaves a command that is over.
  [[nodiscard]] Problem start(SpawnPlan plan, const Start& start, const Rights& own, Started& started);
  void on_exit(int status);
  [[nodiscard]] Problem signal(int number, bool whole_group) const;
  [[nodiscard]] Problem resize(std::uint16_t rows, std::uint16_t columns) const;
  void kill_all() const;  // its group, for ever

  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool is_running() const { return pid_ > 0 && !has_exited_; }
  [[nodiscard]] CommandState state() const;
  [[nodiscard]] Exited exited() const;
  [[nodiscard]] bool is_over() const { return is_over_; }
  // Over, and nothing more waits in the pipes for a full ring to empty.
  [[nodiscard]] bool is_drained() const;
  [[nodiscard]] const Ring& ring(Output output) const { return streams_[output == Output::out ? 0 : 1].ring; }
  void consume(Output output, std::uint64_t position);

  // Woken by output, by the end, and by changes of stdin.
  void add_reader(Channel& channel) { readers_.push_back(&channel); }
  void remove_reader(const Channel& channel);

  // Bytes for stdin. False: too many wait.
  [[nodiscard]] bool write_stdin(std::string_view bytes);
  void close_stdin();
  [[nodiscard]] bool takes_stdin() const { return stdin_open_; }
  [[nodiscard]] std::uint64_t stdin_taken() const { return stdin_taken_; }
  [[nodiscard]] std::size_t stdin_waiting() const { return stdin_.size(); }

  bool has_consumer = false;
  bool has_writer = false;
  std::int64_t active_ns = 0;  // of a terminal: the last output

 private:
  struct Stream {
    Fd fd;
    Ring ring;
    bool is_paused = false;  // the ring is full
  };
  struct Ends {
    Fd in, out, err;  // the child's
  };
  [[nodiscard]] Problem make_pipes(bool has_stdin, Ends& ends);
  [[nodiscard]] Problem make_terminal(const Start& start, const Identity& identity, const Rights& own, Ends& ends);
  void set_unstarted(const Problem& problem);
  void watch_output(Stream& stream);
  // One piece. False: nothing more now.
  bool read_output(Stream& stream);
  void close_output(Stream& stream);
  void flush_stdin();
  void shut_stdin();
  [[nodiscard]] bool is_at_eof() const { return !streams_[0].fd.is_open() && !streams_[1].fd.is_open(); }
  void set_over();
  void wake_readers();

  Loop& loop_;
  std::string id_;
  bool terminal_;
  std::function<void(Command&)> on_over_;
  Stream streams_[2];
  Fd stdin_fd_;  // of a terminal: none, the bytes go to its only descriptor
  std::string stdin_;
  std::uint64_t stdin_taken_ = 0;
  bool stdin_open_ = false;
  bool stdin_ends_ = false;  // after what waits
  pid_t pid_ = 0;
  std::int64_t started_ns_ = 0;
  std::int64_t ended_ns_ = 0;
  int status_ = 0;
  bool has_exited_ = false;
  bool is_over_ = false;
  bool timed_out_ = false;
  int unstarted_code_ = 0;
  Loop::Timer timeout_ = 0;
  Loop::Timer last_output_ = 0;
  std::vector<Channel*> readers_;
};

}  // namespace sandboxd::agent
