// Incremental HTTP/1 parsing. The one door to Boost.Beast's parser: parser.cpp alone includes it, because a file that
// does takes long to compile.
//
// Use: feed() bytes until is_done() or fault(). feed() stops after the header once, so that limits can be set from it.
// Stricter than Beast where leniency lets two parsers disagree about where a message ends (request smuggling, RFC 9112
// section 11.2): a request whose transfer coding does not end in "chunked" is malformed, and so are two Host fields.
#pragma once

#include "http/message.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace sandboxd::http {

enum class ParseFault { none, header_too_large, body_too_large, malformed };

class RequestParser {
 public:
  explicit RequestParser(std::size_t header_bytes_max);
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  // Ready for the next message of the connection.
  void reset();
  // Parses from the front of `bytes` and returns how many were used up; the rest must be passed again, with more
  // behind.
  std::size_t feed(std::string_view bytes);

  [[nodiscard]] bool has_header() const;
  [[nodiscard]] bool is_done() const;
  [[nodiscard]] ParseFault fault() const;
  [[nodiscard]] std::string fault_text() const;  // for humans; empty without a fault

  // method, target, path, query and headers are there with the header, the body when done.
  [[nodiscard]] Request& request();
  // After the header: how the body is sent and what the client wants.
  void set_body_limit(std::size_t bytes);  // may raise the fault at once, from Content-Length
  [[nodiscard]] bool keep_alive() const;
  [[nodiscard]] bool is_http_1_1() const;
  [[nodiscard]] bool expects_continue() const;
  [[nodiscard]] std::optional<std::uint64_t> content_length() const;
  // The body stays out of the request; take_body() gives the part of it that came since the last call.
  void stream_body();
  [[nodiscard]] std::string take_body();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

class ResponseParser {
 public:
  // `has_body` is false for answers to HEAD.
  explicit ResponseParser(std::size_t header_bytes_max, bool has_body = true);
  ~ResponseParser();
  ResponseParser(const ResponseParser&) = delete;
  ResponseParser& operator=(const ResponseParser&) = delete;

  std::size_t feed(std::string_view bytes);
  // The connection ended. Completes a body that has no other end; else a fault.
  void feed_end();

  [[nodiscard]] bool has_header() const;
  [[nodiscard]] bool is_done() const;
  [[nodiscard]] ParseFault fault() const;
  [[nodiscard]] std::string fault_text() const;

  [[nodiscard]] int status() const;
  [[nodiscard]] const std::string& content_type() const;
  [[nodiscard]] Headers& headers();
  [[nodiscard]] bool keep_alive() const;
  [[nodiscard]] std::optional<std::uint64_t> content_length() const;
  void set_body_limit(std::size_t bytes);
  // Takes the part of the body that came since the last call.
  [[nodiscard]] std::string take_body();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sandboxd::http
