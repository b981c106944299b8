// The messages of protocol.hpp about the agent, the main process and commands. each() names the members in their order
// on the wire.
#pragma once

#include "agent/encoding.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace sandboxd::agent {

struct Empty {
  template <class M, class V>
  static void each(M&, V&) {}
};

// Whose rights a process has. Capabilities are a mask of (1 << number).
struct Identity {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> groups;
  std::uint64_t capabilities = 0;
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.uid)(m.gid)(m.groups)(m.capabilities);
  }
};

// Read by the agent once, before anything else.
struct Setup {
  std::uint32_t version = kVersion;
  std::vector<std::string> argv;  // the main process; empty: hold, nothing but the agent
  std::vector<std::string> env;   // KEY=VALUE, of the main process and of commands
  std::string cwd;                // empty: /
  Identity identity;              // of the main process, and of commands that name no user
  bool no_new_privileges = true;
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.version)(m.argv)(m.env)(m.cwd)(m.identity)(m.no_new_privileges);
  }
};

enum class MainState : std::uint8_t { none, running, exited, unstarted };

struct Hello {
  std::uint32_t version = kVersion;
  std::uint64_t life = 0;  // random, drawn at the agent's start: another life knows no commands of the last
  MainState main{};
  std::int32_t main_errno = 0;  // unstarted: why
  std::string main_error;       // "exec /bin/x: No such file or directory"
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.version)(m.life)(m.main)(m.main_errno)(m.main_error);
  }
};

// How a process ended: code, or the signal that killed it (then code is 128 + signal).
struct Exited {
  std::string command;  // empty: the main process
  std::int32_t code = 0;
  std::int32_t signal = 0;
  bool timed_out = false;
  std::int64_t at_ns = 0;  // Unix time
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.command)(m.code)(m.signal)(m.timed_out)(m.at_ns);
  }
};

struct Failed {
  std::int32_t error = 0;  // errno
  std::string text;        // "open /x: No such file or directory"
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.error)(m.text);
  }
};

struct Credit {
  std::uint32_t bytes = 0;  // more than before
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.bytes);
  }
};

// What happens when a ring is full: the oldest bytes go, or the process waits for a consuming reader.
enum class WhenFull : std::uint8_t { drop, wait };

struct Start {
  std::string command;            // its id, chosen by the node; [A-Za-z0-9_-]{1,64}
  std::vector<std::string> argv;  // at least one; searched in the environment's PATH
  std::vector<std::string> env;   // over Setup::env
  std::string cwd;                // empty: Setup::cwd
  std::string user;        // empty: Setup::identity; else name, uid, name:group, uid:gid; needs the right to switch
  bool has_stdin = false;  // false: /dev/null
  bool terminal = false;   // stdin, stdout and stderr are one terminal
  std::uint16_t rows = 24;
  std::uint16_t columns = 80;
  std::uint64_t keep_bytes = 1 << 20;  // of each ring
  WhenFull when_full{};
  std::uint64_t timeout_ms = 0;  // then SIGKILL to its group; 0: none
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.command)(m.argv)(m.env)(m.cwd)(m.user)(m.has_stdin)(m.terminal)(m.rows)(m.columns)(m.keep_bytes)(m.when_full);
    v(m.timeout_ms);
  }
};

// A program that cannot be run is no failed start: the command ends with 127 or 126, and its stderr says why.
struct Started {
  std::int32_t pid = 0;
  std::int64_t at_ns = 0;     // Unix time
  std::int64_t spawn_ns = 0;  // what the fork and exec took
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.pid)(m.at_ns)(m.spawn_ns);
  }
};

struct Attach {
  std::string command;
  std::uint64_t from_stdout = 0;  // positions; what has gone by then is left out, and shows as a gap
  std::uint64_t from_stderr = 0;
  bool follow = true;    // false: what is there, then the reply
  bool consume = false;  // what was sent makes room (WhenFull::wait); one such reader at a time
  bool stdin = false;    // data frames of the node are for its stdin; one such writer at a time
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.command)(m.from_stdout)(m.from_stderr)(m.follow)(m.consume)(m.stdin);
  }
};

enum class Output : std::uint8_t { out = 1, err = 2 };

// The payload of an attach call's data frame. Charged to the credit with its bytes only.
template <class Bytes>
struct BasicChunk {
  Output output{};
  std::uint64_t position = 0;  // of the first byte
  Bytes bytes;
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.output)(m.position)(m.bytes);
  }
};
using Chunk = BasicChunk<std::string>;
using ChunkView = BasicChunk<std::string_view>;
// What an encoded Chunk begins with; its bytes follow.
[[nodiscard]] inline std::string encode_chunk_head(Output output, std::uint64_t position, std::size_t bytes) {
  Encoder encoder;
  encoder(output)(position)(static_cast<std::uint32_t>(bytes));
  return encoder.take();
}

// The reply to an attach call: all output was given out, or follow was false.
struct Ended {
  bool is_over = false;
  std::int32_t code = 0;
  std::int32_t signal = 0;
  bool timed_out = false;
  std::int64_t at_ns = 0;
  std::uint64_t stdout_end = 0;  // positions after the last byte
  std::uint64_t stderr_end = 0;
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.is_over)(m.code)(m.signal)(m.timed_out)(m.at_ns)(m.stdout_end)(m.stderr_end);
  }
};

struct Signal {
  std::string command;
  std::int32_t number = 0;  // 1 to 64
  bool whole_group = true;  // its process group, else the first process only
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.command)(m.number)(m.whole_group);
  }
};

struct Resize {
  std::string command;
  std::uint16_t rows = 0;
  std::uint16_t columns = 0;
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.command)(m.rows)(m.columns);
  }
};

struct Forget {
  std::string command;
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.command);
  }
};

struct CommandState {
  std::string command;
  std::int32_t pid = 0;
  std::int64_t started_ns = 0;
  bool terminal = false;
  Ended state;                     // with the ends of the rings so far
  std::uint64_t stdout_begin = 0;  // positions of the first bytes that are kept
  std::uint64_t stderr_begin = 0;
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.command)(m.pid)(m.started_ns)(m.terminal)(m.state)(m.stdout_begin)(m.stderr_begin);
  }
};

struct CommandList {
  std::vector<CommandState> commands;
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.commands);
  }
};

}  // namespace sandboxd::agent
