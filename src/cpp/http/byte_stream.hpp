// A connection whose protocol was switched: bytes both ways, after the HTTP exchange that opened it. Core thread;
// whoever awaits a call keeps the stream alive.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "http/prefixed_socket.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace sandboxd::http {

class ByteStream {
 public:
  explicit ByteStream(PrefixedSocket socket) : socket_(std::move(socket)) {}
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  // What has come, at most `limit` bytes; empty at the end. Errors: unavailable. Throws when cancelled.
  [[nodiscard]] Task<Result<std::string>> read(std::size_t limit);
  // Returns when the system has taken the bytes: a slow peer makes the writer wait. One call at a time.
  [[nodiscard]] Task<Result<void>> write(std::string bytes);
  // The peer reads an end; what it sends still arrives.
  void shut_down_sending();
  // Whatever waits on the stream ends with an error.
  void close();

  // For a protocol that reads by itself; the stream is closed afterwards.
  [[nodiscard]] PrefixedSocket take_socket() { return std::move(socket_); }

 private:
  PrefixedSocket socket_;
};

struct Tunnelled {
  std::uint64_t to_right = 0;  // bytes
  std::uint64_t to_left = 0;
};

// Carries bytes both ways until both directions have ended, one of them fails, or nothing moves for `silence` (zero: no
// limit). An end is passed on as one: the other direction goes on. Closes both.
[[nodiscard]] Task<Tunnelled> tunnel(std::shared_ptr<ByteStream> left, std::shared_ptr<ByteStream> right,
                                     Duration silence);

}  // namespace sandboxd::http
