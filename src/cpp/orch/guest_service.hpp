// The use cases inside a sandbox: commands, files, ports. Dialects and routes call nothing else for them.
//
// Each is a call to the node that the sandbox is on, which keeps the truth of commands and files; nothing is kept here.
// Besides the errors that are named: not_found ("sandbox not found"), conflict (it does not run: the message says what
// it is; paused, stopped, failed or not placed yet), unavailable (the node, or the agent inside), unsupported (a stock
// node). Core thread.
#pragma once

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "model/command.hpp"
#include "orch/service.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace sandboxd::orch {

// A command's output as it is written. Destroying it ends only the reading.
class OutputStream {
 public:
  using Next = std::variant<std::monostate, model::OutputPiece, model::Command>;
  virtual ~OutputStream() = default;
  // The next piece; a slow reader is served from what is kept. At the end the command as it ended, then nothing.
  [[nodiscard]] virtual Task<Result<Next>> next() = 0;
};

class GuestService {
 public:
  GuestService(SandboxService& sandboxes, ports::NodeTransport& transport)
      : sandboxes_(&sandboxes), transport_(&transport) {}

  // Durable when it returns, and goes on whoever leaves. A program that cannot be run ends with 127 or 126, and says
  // why on stderr. Errors: invalid_argument, already_exists (the id), resource_exhausted.
  [[nodiscard]] Task<Result<model::Command>> start(SandboxId id, model::CommandSpec spec);
  // Started, and waited for until its end. Errors: as start().
  [[nodiscard]] Task<Result<model::Command>> run(SandboxId id, model::CommandSpec spec);
  // By started_at. Also of a sandbox that does not run.
  [[nodiscard]] Task<Result<std::vector<model::Command>>> list(SandboxId id);
  [[nodiscard]] Task<Result<model::Command>> get(SandboxId id, std::string command);  // not_found "command not found"
  // Returns when it has ended, or as it is after `limit`.
  [[nodiscard]] Task<Result<model::Command>> wait(SandboxId id, std::string command, Duration limit);
  // To its process group; then waits at most `limit` for its end. Errors: conflict "command has already finished".
  [[nodiscard]] Task<Result<model::Command>> signal(SandboxId id, std::string command, int number, Duration limit);
  [[nodiscard]] Task<Result<model::CommandOutput>> output(SandboxId id, std::string command);
  // From the first byte that is kept. Its first next() may take for ever: a quiet command says nothing.
  [[nodiscard]] Task<Result<std::unique_ptr<OutputStream>>> follow(SandboxId id, std::string command);
  [[nodiscard]] Task<Result<void>> forget(SandboxId id, std::string command);  // conflict while it runs

  // Paths are resolved inside the sandbox, relative ones from the container's working directory. Errors of all:
  // not_found (the path), permission_denied, invalid_argument (is a directory, is no directory, not a regular file),
  // resource_exhausted (disk full), too_large.
  struct FileRef {
    SandboxId sandbox;
    std::string container;  // empty: the main one
    std::string path;
    std::string user;  // empty: the container's
  };
  [[nodiscard]] Task<Result<std::string>> read_file(FileRef file, std::size_t bytes_max);
  // Atomically, with missing parent directories. mode 0: that of the file it replaces, else 0644.
  [[nodiscard]] Task<Result<model::FileInfo>> write_file(FileRef file, std::string bytes, std::uint32_t mode);
  // Recursive. Success also when there is nothing.
  [[nodiscard]] Task<Result<void>> remove_file(FileRef file);
  [[nodiscard]] Task<Result<model::FileInfo>> stat_file(FileRef file);
  // Its own entries by name, without "." and "..".
  [[nodiscard]] Task<Result<std::vector<model::FileInfo>>> list_files(FileRef directory);

 private:
  SandboxService* sandboxes_;
  ports::NodeTransport* transport_;
};

}  // namespace sandboxd::orch
