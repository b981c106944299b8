// What the node and the in-sandbox agent say to each other, over one unix socket per container.
//
// The node listens, the agent connects, at any time and again after every break. Each side speaks frames:
//
//   u32 length of the payload | u32 call | u8 type | u8[3] zero | payload            all numbers little-endian
//
// The agent's first frame is `hello`. From then on the node asks: every request has a call number of its own, which its
// answer bears: one `reply` or `failed`, before which data may flow on that call in both directions. Data is bounded
// by credit: each side may send as many data bytes on a call as the other has granted with `credit` frames (both begin
// with kCreditStart), so a slow reader holds up its own call only. `cancel` ends a call: it is answered with `failed`
// (ECANCELED) or, for a watch, its reply, unless its answer was on the way; nothing comes on a call after its answer,
// and only then its number may be used again. Data, credit, eof and cancel for a call that is not open are ignored, as
// they may have crossed its answer. Events of no call bear call 0.
//
// Commands outlive calls and connections: a command lives from `start` until `forget`, its output is kept in two rings
// (stdout and stderr; a terminal has only the first) of which every byte has a position, counted from 0. After a break
// the node asks for `commands` and goes on.
//
// Either side treats every byte of the other as hostile: whatever breaks a rule below ends the connection. No member
// may be left out; a new version gets a new number, and a node speaks the agent's version, as old agents live on.
#pragma once

#include "agent/command_messages.hpp"
#include "agent/encoding.hpp"
#include "agent/file_messages.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sandboxd::agent {

inline constexpr std::size_t kHeaderBytes = 12;
inline constexpr std::size_t kFrameBytesMax = 512 * 1024;  // payload; a request holds argv and environment
inline constexpr std::size_t kDataBytesMax = 64 * 1024;    // payload of a data frame
inline constexpr std::uint32_t kCreditStart = 256 * 1024;
inline constexpr std::size_t kCallsMax = 1024;            // open at once
inline constexpr std::size_t kCommandsMax = 3 * 1024;     // not forgotten; a CommandList fits a frame
inline constexpr std::uint64_t kKeepBytesMax = 16 << 20;  // of one ring

// Inside the container. The directory is mounted read-only; only root there may read `setup`.
inline constexpr const char* kDirectory = "/.sandboxd";
inline constexpr const char* kSocketName = "agent.sock";
inline constexpr const char* kProgramName = "agent";
inline constexpr const char* kSetupName = "setup";  // one encoded Setup

enum class Type : std::uint8_t {
  // agent -> node, call 0
  hello = 1,   // Hello
  exited = 2,  // Exited: a command; or the main process, or that a holding agent was told to stop: the end begins
  // answers, agent -> node
  reply = 10,   // the request's reply message
  failed = 11,  // Failed
  // data, both ways
  data = 20,    // Chunk of output, or raw bytes (see the requests)
  credit = 21,  // Credit
  eof = 22,     // empty: no more data from this side
  cancel = 23,  // empty; node -> agent. From the agent on an attach call: stdin takes no more bytes (closed, or over)
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
  mkdir = 64,     // Write -> FileStatus; parents as asked, success when it is there
  remove = 65,    // Remove -> Empty
  rename = 66,    // Rename -> FileStatus
  watch = 67,     // Watch -> Empty after cancel; data: each frame one encoded FileEvent
  pack = 68,      // Path -> Empty; data: a tar archive (ustar with pax headers) of a directory or file, raw
  unpack = 69,    // Write -> Empty; data: a tar archive from the node until eof, unpacked below `path`
  ports = 80,     // Empty -> PortList
  processes = 81,  // Empty -> ProcessList
  ping = 82,       // Empty -> Empty
};

struct Header {
  std::uint32_t length = 0;
  std::uint32_t call = 0;
  Type type{};
};

// kHeaderBytes bytes, of a payload with so many.
[[nodiscard]] inline std::string encode_header(Type type, std::uint32_t call, std::size_t payload_bytes) {
  Encoder head;
  head(static_cast<std::uint32_t>(payload_bytes))(call)(type)(std::uint8_t{0})(std::uint8_t{0})(std::uint8_t{0});
  return head.take();
}
[[nodiscard]] inline std::string encode_frame(Type type, std::uint32_t call, std::string_view payload) {
  return encode_header(type, call, payload.size()).append(payload);
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

}  // namespace sandboxd::agent
