#include "node/output_tail.hpp"

#include <utility>

namespace sandboxd::node {

void OutputTail::add(const model::OutputPiece& piece) {
  if (piece.is_stderr) {
    add(piece, kept_.stderr_bytes, kept_.stderr_begin);
  } else {
    add(piece, kept_.stdout_bytes, kept_.stdout_begin);
  }
}

void OutputTail::add(const model::OutputPiece& piece, std::string& bytes, std::uint64_t& begin) const {
  // Something between was dropped: what is kept is one run.
  if (piece.position != begin + bytes.size()) {
    bytes.clear();
    begin = piece.position;
  }
  bytes += piece.bytes;
  trim(bytes, begin, keep_);  // twice as much may stand here, so that not every piece moves all of it
}

void OutputTail::trim(std::string& bytes, std::uint64_t& begin, std::size_t slack) const {
  if (bytes.size() <= keep_ + slack) return;
  const std::size_t cut = bytes.size() - keep_;
  bytes.erase(0, cut);
  begin += cut;
}

model::CommandOutput OutputTail::take() {
  trim(kept_.stdout_bytes, kept_.stdout_begin, 0);
  trim(kept_.stderr_bytes, kept_.stderr_begin, 0);
  return std::exchange(kept_, {});
}

}  // namespace sandboxd::node
