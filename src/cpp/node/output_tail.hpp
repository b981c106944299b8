// The last bytes of two streams, out of pieces that come in order. Pure.
#pragma once

#include "model/command.hpp"

#include <cstddef>

namespace sandboxd::node {

class OutputTail {
 public:
  explicit OutputTail(std::size_t keep) : keep_(keep) {}
  void add(const model::OutputPiece& piece);
  // What is kept; ends the tail.
  [[nodiscard]] model::CommandOutput take();

 private:
  void add(const model::OutputPiece& piece, std::string& bytes, std::uint64_t& begin) const;
  void trim(std::string& bytes, std::uint64_t& begin, std::size_t slack) const;

  std::size_t keep_;
  model::CommandOutput kept_;
};

}  // namespace sandboxd::node
