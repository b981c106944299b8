// Bodies that come from a socket and go to a socket: the system moves them through a pipe (splice(2)), and no byte of
// them is copied into this process.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace sandboxd::http {

// What a body stream may be besides.
class RawSource {
 public:
  virtual ~RawSource() = default;
  // How many bytes of the body are still to come, all of them by next_into(); 0 when that cannot be. Asked between
  // calls of next().
  [[nodiscard]] virtual std::uint64_t raw_bytes_left() const = 0;
  // What has come, at least one byte and at most `room`, into an empty pipe. Errors: as ClientStream::next().
  [[nodiscard]] virtual Task<Result<std::size_t>> next_into(int pipe, std::size_t room) = 0;
};

class Pipe {
 public:
  // As wide as the system allows, up to 1 MiB. nullopt when there is none to be had.
  [[nodiscard]] static std::optional<Pipe> open();
  ~Pipe();
  Pipe(Pipe&& other) noexcept;
  Pipe& operator=(Pipe&&) = delete;

  [[nodiscard]] int read_end() const { return read_; }
  [[nodiscard]] int write_end() const { return write_; }
  [[nodiscard]] std::size_t room() const { return room_; }

 private:
  Pipe(int read, int write, std::size_t room) : read_(read), write_(write), room_(room) {}

  int read_;
  int write_;
  std::size_t room_;
};

}  // namespace sandboxd::http
