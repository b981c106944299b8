// Commands and files of a sandbox, as node and control plane see them. A command lives until its sandbox is deleted or
// its record is; its output is kept up to a bound, of which the oldest bytes go first.
#pragma once

#include "base/ids.hpp"
#include "base/time.hpp"
#include "model/spec.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sandboxd::model {

inline constexpr std::int64_t kCommandKeepBytes = 1 << 20;  // of each stream, by default

inline constexpr const char* kContainerEnded = "container_ended";
inline constexpr const char* kNodeRestarted = "node_restarted";  // and the sandbox has no in-sandbox agent

struct TerminalSize {
  std::uint16_t rows = 24;
  std::uint16_t columns = 80;

  friend bool operator==(const TerminalSize&, const TerminalSize&) = default;
};

struct CommandSpec {
  std::string id;         // [A-Za-z0-9_-]{1,64}, unique in its sandbox; empty: the node draws "cmd_" and 40 hex digits
  std::string container;  // empty: the sandbox's main one
  std::vector<std::string> argv;
  std::map<std::string, std::string> env;  // over the container's
  std::string cwd;                         // empty: the container's
  std::string user;                        // "name", "uid", "name:group" or "uid:gid"; empty: the container's
  bool has_stdin = false;
  std::optional<TerminalSize> terminal;
  bool wait_for_reader = false;  // a full buffer stops the process instead of dropping the oldest output
  std::int64_t keep_bytes = kCommandKeepBytes;
  Duration timeout{};  // then its process group is killed; zero: none
  Labels labels;       // for dialects; at most 16, of at most 256 bytes each

  friend bool operator==(const CommandSpec&, const CommandSpec&) = default;
};

struct Command {
  std::string id;
  SandboxId sandbox;
  std::string container;
  std::vector<std::string> argv;
  std::string cwd;   // as asked
  std::string user;  // as asked
  bool terminal = false;
  Labels labels;
  WallTime started_at;
  std::optional<WallTime> finished_at;
  // Set when it ended: 128 + signal for a killed one, 127 and 126 for one that cannot be run, -1 when nobody can know
  // (the sandbox ended meanwhile).
  std::optional<int> exit_code;
  int signal = 0;
  bool timed_out = false;
  std::string reason;              // why it ended when it was not by itself: one of the below
  std::uint64_t stdout_bytes = 0;  // written so far, kept or not
  std::uint64_t stderr_bytes = 0;

  friend bool operator==(const Command&, const Command&) = default;
};

// What is kept of a command's output.
struct CommandOutput {
  std::string stdout_bytes;
  std::string stderr_bytes;
  std::uint64_t stdout_begin = 0;  // position of the first byte that is kept: so much was dropped before it
  std::uint64_t stderr_begin = 0;
};

struct OutputPiece {
  bool is_stderr = false;
  std::uint64_t position = 0;  // of the first byte; beyond the last piece's end: something between was dropped
  std::string bytes;
};

enum class FileKind { file, directory, link, other };

struct FileInfo {
  std::string path;  // as asked; of a list: the entry's path below the directory
  FileKind kind = FileKind::file;
  std::uint32_t mode = 0;  // with the type bits of st_mode
  std::uint64_t size = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string owner;  // name, or the number as text
  std::string group;
  std::uint64_t links = 0;
  WallTime modified_at;
  std::string target;  // of a link

  friend bool operator==(const FileInfo&, const FileInfo&) = default;
};

}  // namespace sandboxd::model
