// The container's first process: its main process, its signals, its orphans, its end.
#pragma once

#include "agent/commands.hpp"
#include "agent/link.hpp"
#include "agent/loop.hpp"
#include "agent/requests.hpp"
#include "agent/users.hpp"

#include <string>
#include <sys/types.h>

namespace sandboxd::agent {

class Init {
 public:
  Init(Loop& loop, const Setup& setup, const std::string& directory);
  // Until the main process has ended. Gives the exit code.
  int run();

 private:
  void start_main();
  void on_unstarted(const Problem& problem);
  void on_signals();
  void on_signal(int number);
  void reap();
  void on_main_exit(int status);
  void stop_holding();
  void check_holding();
  // Tells the node what it can within a moment, and ends.
  void end(int code);
  void finish();
  [[nodiscard]] bool is_output_taken() const;
  void kill_others(int number) const;
  [[nodiscard]] Hello hello() const;
  bool between();

  Loop& loop_;
  const Setup& setup_;
  Rights own_;
  Commands commands_;
  AgentRequests requests_;
  Link link_;
  Fd signals_;
  std::uint64_t life_;
  bool is_first_;  // PID 1 of its namespace: it may signal all
  MainState main_ = MainState::none;
  Problem main_problem_;
  pid_t main_pid_ = 0;
  int exit_code_ = 0;
  bool is_stopping_ = false;  // holding, and told to stop
  bool is_ending_ = false;
  std::int64_t end_by_ns_ = 0;
};

}  // namespace sandboxd::agent
