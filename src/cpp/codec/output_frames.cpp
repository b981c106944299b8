#include "codec/output_frames.hpp"

#include <cstdint>

namespace sandboxd::codec::guest {
namespace {

enum Kind : std::uint8_t { kStdout = 1, kStderr = 2, kEnd = 3 };

std::string header(Kind kind, std::size_t length, std::uint64_t position) {
  std::string out(kOutputHeaderBytes, '\0');
  out[0] = static_cast<char>(kind);
  for (std::size_t i = 0; i < 4; ++i) out[4 + i] = static_cast<char>(length >> (24 - 8 * i) & 0xFF);
  for (std::size_t i = 0; i < 8; ++i) out[8 + i] = static_cast<char>(position >> (56 - 8 * i) & 0xFF);
  return out;
}

}  // namespace

std::string encode_output_head(const model::OutputPiece& piece) {
  return header(piece.is_stderr ? kStderr : kStdout, piece.bytes.size(), piece.position);
}

std::string encode_output_end(std::string_view json) { return header(kEnd, json.size(), 0).append(json); }

}  // namespace sandboxd::codec::guest
