// Runs a child process to its end. Real: proc/posix_runner.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "base/time.hpp"

#include <map>
#include <string>
#include <vector>

namespace sandboxd::ports {

struct ProcessRequest {
  std::vector<std::string> argv;           // argv[0] is an absolute path; never a shell line
  std::map<std::string, std::string> env;  // the whole environment
  std::string stdin_text;
  std::size_t output_bytes_max = 1024 * 1024;  // of each stream; more is an error
  Duration timeout = std::chrono::seconds(30);
};

struct ProcessOutcome {
  int exit_code = 0;  // 128 + signal when killed by one
  std::string stdout_text;
  std::string stderr_text;
};

class ProcessRunner {
 public:
  virtual ~ProcessRunner() = default;
  // The child's end, whatever its exit code. On time-out or cancellation its process group is killed and reaped.
  // Errors: not_found (no such executable), deadline_exceeded, too_large, internal.
  [[nodiscard]] virtual Task<Result<ProcessOutcome>> run(ProcessRequest request) = 0;
};

}  // namespace sandboxd::ports
