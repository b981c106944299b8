// Starts a process: as fast as the kernel allows, with an identity's rights and nothing else of the agent's.
#pragma once

#include "agent/protocol.hpp"
#include "agent/system.hpp"

#include <string>
#include <sys/types.h>
#include <vector>

namespace sandboxd::agent {

struct SpawnPlan {
  std::vector<std::string> argv;  // at least one
  std::vector<std::string> env;
  std::string cwd = "/";
  Identity identity;
  bool no_new_privileges = true;
  int in = 0;
  int out = 1;
  int err = 2;
  bool is_terminal = false;  // `in` becomes the controlling terminal
};

struct Spawned {
  pid_t pid = 0;
  Problem problem;  // good: it runs. "exec /bin/x: No such file or directory"
};

// The child leads a session of its own. A child that could not run its program has been waited for.
[[nodiscard]] Spawned spawn(const SpawnPlan& plan);

// What a shell would say: 127 for what is not there, else 126.
[[nodiscard]] inline int code_of_unstarted(int error) { return error == ENOENT || error == ENOTDIR ? 127 : 126; }

// The value of NAME in KEY=VALUE texts, the last one; nothing when it is not there.
[[nodiscard]] std::optional<std::string_view> find_env(const std::vector<std::string>& env, std::string_view name);
// `over` replaces what has the same name.
[[nodiscard]] std::vector<std::string> merge_env(std::vector<std::string> env, const std::vector<std::string>& over);

}  // namespace sandboxd::agent
