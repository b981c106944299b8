// What the node agent and the log holder say to each other: one JSON object a line over a unix socket, each request
// answered in order.
//
//   {"op":"ping"}                                             {"ok":true,"version":1,"pid":N}
//   {"op":"open","sandbox":S,"container":C,"bytes_max":N}     {"ok":true,"stdout":PATH,"stderr":PATH}
//   {"op":"drain","sandbox":S,"container":C}                  {"ok":true}
//   {"op":"remove","sandbox":S}                               {"ok":true}
//   {"op":"list"}                                             {"ok":true,"sandboxes":[S,...]}
//   {"op":"shutdown"}                                         {"ok":true}, then the holder ends
//
// A failure is {"ok":false,"error":TEXT}. The version changes when a holder of one build cannot serve an agent of
// another; the agent then replaces the holder, which loses nothing, because FIFOs keep their bytes meanwhile.
#pragma once

#include <cstddef>
#include <string>

namespace sandboxd::logs {

inline constexpr int kHolderVersion = 1;
inline constexpr std::size_t kHolderLineBytesMax = 64 * 1024;
// An answer may list every sandbox of the node.
inline constexpr std::size_t kHolderAnswerBytesMax = 4 * 1024 * 1024;

[[nodiscard]] inline std::string holder_socket(const std::string& run_dir) { return run_dir + "/logholder.sock"; }
[[nodiscard]] inline std::string holder_lock(const std::string& run_dir) { return run_dir + "/logholder.lock"; }

}  // namespace sandboxd::logs
