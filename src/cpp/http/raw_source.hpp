// Bodies that come from a socket and go to a socket: the system moves them through a pipe (splice(2)), and no byte of
// them is copied into this process.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>

namespace sandboxd::http {

inline constexpr std::uint64_t kRawBytesMin = 256 * 1024;  // of a body; below, a pipe costs more than the copies

// What a BodyStream or a BodyReader may be besides.
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

struct Moved {
  boost::system::error_code failure;
  std::size_t bytes = 0;  // none at the socket's end
};

// What has come on `socket`, as soon as there is something, into an empty pipe. At most `room`.
[[nodiscard]] Task<Moved> move_in(boost::asio::ip::tcp::socket* socket, int pipe, std::size_t room);
// All `count` bytes that are in the pipe.
[[nodiscard]] Task<boost::system::error_code> move_out(int pipe, boost::asio::ip::tcp::socket* socket,
                                                       std::size_t count);

}  // namespace sandboxd::http
