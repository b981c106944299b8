// What the node and the in-sandbox agent say to each other, over one unix socket per container.
//
// The node listens, the agent connects, at any time and again after every break. Each side speaks frames:
//
//   u32 length of the payload | u32 call | u8 type | u8[3] zero | payload            all numbers little-endian
//
// The agent's first frame is `hello`. From then on the node asks: every request has a call number of its own, which its
// answer bears: one `reply` or `failed`, before which data may flow on that call in both directions. Data is bounded
// by credit: each side may send as many data bytes on a call as the other has granted with `credit` frames (both begin
// with kCreditStart), so a slow reader holds up its own call only. `cancel` ends a call; nothing is answered to it
// after `failed`. Events of no call bear call 0.
//
// Commands outlive calls and connections: a command lives from `start` until `forget`, its output is kept in two rings
// (stdout and stderr; a terminal has only the first) of which every byte has a position, counted from 0. After a break
// the node asks for `commands` and goes on.
//
// Either side treats every byte of the other as hostile: whatever breaks a rule below ends the connection. No member
// may be left out; a new version gets a new number, and a node speaks the agent's version, as old agents live on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace sandboxd::agent {

inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::size_t kHeaderBytes = 12;
inline constexpr std::size_t kFrameBytesMax = 512 * 1024;  // payload; a request holds argv and environment
inline constexpr std::size_t kDataBytesMax = 64 * 1024;    // payload of a data frame
inline constexpr std::uint32_t kCreditStart = 256 * 1024;
inline constexpr std::size_t kCallsMax = 1024;            // open at once
inline constexpr std::size_t kCommandsMax = 4096;         // not forgotten
inline constexpr std::size_t kItemsMax = 16 * 1024;       // of a list in one message
inline constexpr std::uint64_t kKeepBytesMax = 16 << 20;  // of one ring

// Inside the container. The directory is mounted read-only; only root there may read `setup`.
inline constexpr const char* kDirectory = "/.sandboxd";
inline constexpr const char* kSocketName = "agent.sock";
inline constexpr const char* kProgramName = "agent";
inline constexpr const char* kSetupName = "setup";  // one encoded Setup

enum class Type : std::uint8_t {
  // agent -> node, call 0
  hello = 1,   // Hello
  exited = 2,  // Exited: a command, or the main process
  // answers, agent -> node
  reply = 10,   // the request's reply message
  failed = 11,  // Failed
  // data, both ways
  data = 20,    // Chunk of output, or raw bytes (see the requests)
  credit = 21,  // Credit
  eof = 22,     // empty: no more data from this side
  cancel = 23,  // empty; node -> agent
  // requests, node -> agent
  start = 40,     // Start -> Started
  attach = 41,    // Attach -> Ended; data: Chunk frames from the agent, raw stdin bytes from the node, eof closes stdin
  signal = 42,    // Signal -> Empty
  resize = 43,    // Resize -> Empty
  forget = 44,    // Forget -> Empty: drops a finished command
  commands = 45,  // Empty -> CommandList
  stat = 60,      // Path -> FileStatus
  read = 61,      // Read -> FileStatus; data: raw bytes from the agent, then eof, then the reply
  write = 62,     // Write -> FileStatus; data: raw bytes from the node until eof
  list = 63,      // Path -> Empty; data: each frame one encoded FileList
  mkdir = 64,     // Write (size unused) -> FileStatus; parents as asked, success when it is there
  remove = 65,    // Remove -> Empty
  rename = 66,    // Rename -> FileStatus
  watch = 67,     // Watch -> Empty after cancel; data: each frame one encoded FileEvent
  pack = 68,      // Path -> Empty; data: a tar archive (ustar with pax headers) of a directory or file, raw
  unpack = 69,    // Write -> Empty; data: a tar archive from the node until eof, unpacked below `path`
  ports = 80,     // Empty -> PortList
  processes = 81,  // Empty -> ProcessList
  ping = 82,       // Empty -> Empty
};

// Writes members one after another. A string or list is a u32 count and its bytes or items.
class Encoder {
 public:
  template <class T>
  Encoder& operator()(const T& value) {
    if constexpr (std::is_same_v<T, std::string>) {
      (*this)(static_cast<std::uint32_t>(value.size()));
      bytes_.append(value);
    } else if constexpr (std::is_enum_v<T>) {
      (*this)(static_cast<std::underlying_type_t<T>>(value));
    } else if constexpr (std::is_same_v<T, bool>) {
      bytes_.push_back(value ? '\1' : '\0');
    } else if constexpr (std::is_integral_v<T>) {
      auto rest = static_cast<std::make_unsigned_t<T>>(value);
      for (std::size_t i = 0; i < sizeof(T); ++i) {
        bytes_.push_back(static_cast<char>(static_cast<unsigned char>(rest & 0xFFU)));
        if constexpr (sizeof(T) > 1) rest >>= 8U;
      }
    } else {
      encode_compound(value);
    }
    return *this;
  }
  [[nodiscard]] std::string take() { return std::move(bytes_); }

 private:
  template <class T>
  void encode_compound(const std::vector<T>& items) {
    (*this)(static_cast<std::uint32_t>(items.size()));
    for (const T& item : items) (*this)(item);
  }
  template <class T>
  void encode_compound(const T& message) {
    T::each(message, *this);
  }
  std::string bytes_;
};

// Reads them; after the first wrong thing nothing more changes and is_good() is false.
class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : rest_(bytes) {}
  template <class T>
  Decoder& operator()(T& value) {
    if (!good_) return *this;
    if constexpr (std::is_same_v<T, std::string>) {
      std::uint32_t size = 0;
      (*this)(size);
      if (!good_ || size > rest_.size()) return fail();
      value.assign(rest_.substr(0, size));
      rest_.remove_prefix(size);
    } else if constexpr (std::is_enum_v<T>) {
      std::underlying_type_t<T> number{};
      (*this)(number);
      value = static_cast<T>(number);  // who reads it handles values without a name
    } else if constexpr (std::is_same_v<T, bool>) {
      std::uint8_t number = 0;
      (*this)(number);
      if (number > 1) return fail();
      value = number == 1;
    } else if constexpr (std::is_integral_v<T>) {
      if (rest_.size() < sizeof(T)) return fail();
      std::make_unsigned_t<T> number = 0;
      for (std::size_t i = sizeof(T); i-- > 0;) {
        if constexpr (sizeof(T) > 1) number <<= 8U;
        number = static_cast<std::make_unsigned_t<T>>(number | static_cast<unsigned char>(rest_[i]));
      }
      rest_.remove_prefix(sizeof(T));
      value = static_cast<T>(number);
    } else {
      decode_compound(value);
    }
    return *this;
  }
  // Everything was read and nothing was wrong.
  [[nodiscard]] bool is_done() const { return good_ && rest_.empty(); }

 private:
  Decoder& fail() {
    good_ = false;
    return *this;
  }
  template <class T>
  void decode_compound(std::vector<T>& items) {
    std::uint32_t count = 0;
    (*this)(count);
    // Every item takes a byte at least.
    if (!good_ || count > kItemsMax || count > rest_.size()) {
      good_ = false;
      return;
    }
    items.clear();
    for (std::uint32_t i = 0; i < count && good_; ++i) (*this)(items.emplace_back());
  }
  template <class T>
  void decode_compound(T& message) {
    T::each(message, *this);
  }
  std::string_view rest_;
  bool good_ = true;
};

template <class T>
[[nodiscard]] std::string encode(const T& message) {
  Encoder encoder;
  T::each(message, encoder);
  return encoder.take();
}
// Nothing for bytes that are no such message, or more than it.
template <class T>
[[nodiscard]] std::optional<T> decode(std::string_view bytes) {
  T message{};
  Decoder decoder(bytes);
  T::each(message, decoder);
  if (!decoder.is_done()) return std::nullopt;
  return message;
}

struct Header {
  std::uint32_t length = 0;
  std::uint32_t call = 0;
  Type type{};
};

[[nodiscard]] inline std::string encode_frame(Type type, std::uint32_t call, std::string_view payload) {
  Encoder head;
  head(static_cast<std::uint32_t>(payload.size()))(call)(type)(std::uint8_t{0})(std::uint8_t{0})(std::uint8_t{0});
  std::string bytes = head.take();
  bytes.append(payload);
  return bytes;
}
// Of kHeaderBytes bytes. Nothing when they break a rule: the length, or the zeros.
[[nodiscard]] inline std::optional<Header> decode_header(std::string_view bytes) {
  Header header;
  std::uint8_t zero[3]{};
  Decoder decoder(bytes.substr(0, kHeaderBytes));
  decoder(header.length)(header.call)(header.type)(zero[0])(zero[1])(zero[2]);
  if (!decoder.is_done() || header.length > kFrameBytesMax || (zero[0] | zero[1] | zero[2]) != 0) return std::nullopt;
  if (header.type == Type::data && header.length > kDataBytesMax) return std::nullopt;
  return header;
}

// ---- messages: each() names the members in their order on the wire ----

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
struct Chunk {
  Output output{};
  std::uint64_t position = 0;  // of the first byte
  std::string bytes;
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.output)(m.position)(m.bytes);
  }
};

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

// Paths: bytes without NUL. Relative ones are below Setup::cwd. `user` as in Start.
struct Path {
  std::string path;
  std::string user;
  bool follow = true;       // a last symbolic link
  std::uint32_t depth = 1;  // of a list: 1 is the directory's own entries
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.path)(m.user)(m.follow)(m.depth);
  }
};

struct Read {
  std::string path;
  std::string user;
  std::uint64_t offset = 0;
  std::uint64_t length = UINT64_MAX;
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.path)(m.user)(m.offset)(m.length);
  }
};

// The bytes go to a new file beside it, which replaces it at the end: nobody sees half of it, and a call that is
// cancelled or fails leaves what was there.
struct Write {
  std::string path;
  std::string user;
  std::uint32_t mode = 0;  // permission bits; 0: those of the file that it replaces, else 0644 (0755 for mkdir)
  bool parents = false;
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.path)(m.user)(m.mode)(m.parents);
  }
};

struct Remove {
  std::string path;
  std::string user;
  bool recursive = false;
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.path)(m.user)(m.recursive);
  }
};

struct Rename {
  std::string from;
  std::string to;
  std::string user;
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.from)(m.to)(m.user);
  }
};

struct FileStatus {
  std::string path;        // as asked; of a list: the entry's path below the asked one
  std::uint32_t mode = 0;  // with the type bits of st_mode
  std::uint64_t size = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::int64_t modified_ns = 0;
  std::uint64_t links = 0;
  std::string target;  // of a symbolic link
  std::string owner;   // names, where the image's own files tell them
  std::string group;
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.path)(m.mode)(m.size)(m.uid)(m.gid)(m.modified_ns)(m.links)(m.target)(m.owner)(m.group);
  }
};

struct FileList {
  std::vector<FileStatus> entries;
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.entries);
  }
};

struct Watch {
  std::string path;
  std::string user;
  bool recursive = false;
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.path)(m.user)(m.recursive);
  }
};

enum class Change : std::uint8_t { created = 1, written, removed, renamed, attributes, overflow };

struct FileEvent {
  Change change{};
  std::string path;
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.change)(m.path);
  }
};

struct Port {
  std::string protocol;  // "tcp", "udp"
  std::string address;   // as text: "0.0.0.0", "::"
  std::uint16_t port = 0;
  std::int32_t pid = 0;  // 0: unknown
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.protocol)(m.address)(m.port)(m.pid);
  }
};

struct PortList {
  std::vector<Port> ports;
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.ports);
  }
};

struct Process {
  std::int32_t pid = 0;
  std::int32_t parent = 0;
  std::uint32_t uid = 0;
  std::string state;  // one letter, as in /proc
  std::string name;
  std::vector<std::string> argv;
  std::uint64_t cpu_ns = 0;
  std::uint64_t resident_bytes = 0;
  std::string command;  // whose group it is in; empty: none
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.pid)(m.parent)(m.uid)(m.state)(m.name)(m.argv)(m.cpu_ns)(m.resident_bytes)(m.command);
  }
};

struct ProcessList {
  std::vector<Process> processes;
  std::int64_t active_ns = 0;  // Unix time of the last request but ping, or output of a terminal
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.processes)(m.active_ns);
  }
};

}  // namespace sandboxd::agent
