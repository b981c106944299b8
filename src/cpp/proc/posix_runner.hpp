// Child processes by posix_spawn, awaited without a thread and without SIGCHLD.
//
// The child leads a process group of its own, inherits no descriptor beyond its three streams, has every signal at its
// default and none blocked, and sees exactly the environment of the request. Its end is awaited on a pidfd. When the
// child is done, is too late, prints too much, or the caller is cancelled, its group is killed and the child is reaped
// before run() ends, so no zombie and no helper of it is left. A process that left the group (its own session) is not
// ours to kill: run() waits at most a second for the streams that it holds, then gives up on them.
//
// Standard input is a memory file, so a child that does not read it can neither block us nor raise SIGPIPE.
// Called on the core thread; several runs may be under way.
#pragma once

#include "aio/system_clock.hpp"
#include "ports/process_runner.hpp"

namespace sandboxd::proc {

class PosixRunner final : public ports::ProcessRunner {
 public:
  [[nodiscard]] Task<Result<ports::ProcessOutcome>> run(ports::ProcessRequest request) override;

 private:
  aio::SystemClock clock_;
};

}  // namespace sandboxd::proc
