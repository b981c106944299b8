// All commands, and what is asked of them.
#pragma once

#include "agent/command.hpp"
#include "agent/users.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace sandboxd::agent {

class Commands {
 public:
  Commands(Loop& loop, const Setup& setup, const Rights& own)
      : loop_(loop), setup_(setup), own_(own), home_(Names().home(setup.identity.uid)) {}

  void set_on_exited(std::function<void(const Exited&)> on_exited) { on_exited_ = std::move(on_exited); }
  [[nodiscard]] Problem start(const Start& start, Started& started);
  [[nodiscard]] std::shared_ptr<Command> find(const std::string& id) const;
  [[nodiscard]] Problem forget(const std::string& id);
  [[nodiscard]] CommandList list() const;
  // Who leads the process group; empty: none of them.
  [[nodiscard]] std::string of_group(pid_t group) const;
  [[nodiscard]] std::int64_t active_ns() const;
  [[nodiscard]] bool are_over() const;
  [[nodiscard]] bool is_empty() const { return commands_.empty(); }
  // False: it was none of them.
  bool on_exit(pid_t pid, int status);
  void signal_all(int number) const;  // to their groups

 private:
  [[nodiscard]] Problem plan_for(const Start& start, SpawnPlan& plan) const;

  Loop& loop_;
  const Setup& setup_;
  const Rights& own_;
  std::string home_;  // of the setup's user: most commands need no look at the image's files
  std::function<void(const Exited&)> on_exited_;
  std::map<std::string, std::shared_ptr<Command>> commands_;
  std::map<pid_t, std::shared_ptr<Command>> running_;
  std::size_t untrimmed_bytes_ = 0;  // that forgotten commands held
};

// The plan of a process as the setup and a user decide it.
[[nodiscard]] SpawnPlan plan_of(const Setup& setup, const Identity& identity, const std::string& home);

}  // namespace sandboxd::agent
