// A small pooled HTTP/1.1 client on the core thread: kept-alive connections per address, bounded, with deadlines.
#pragma once

#include "base/limits.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "base/time.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sandboxd::http {

struct ClientRequest {
  std::string host;  // IP address
  int port = 0;
  std::string method = "GET";
  std::string target = "/";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  Duration timeout = std::chrono::seconds(10);  // of the whole exchange
  std::size_t body_bytes_max = limits::kHttpBodyBytesMax;
};

struct ClientResponse {
  int status = 0;
  std::string content_type;
  std::string body;
};

// A response whose body is read as it arrives.
class ClientStream {
 public:
  virtual ~ClientStream() = default;
  // The next bytes; nullopt at the regular end. Errors: unavailable, deadline_exceeded when nothing came for `idle`.
  [[nodiscard]] virtual Task<Result<std::optional<std::string>>> next(Duration idle) = 0;
  [[nodiscard]] virtual int status() const = 0;
};

class Client {
 public:
  explicit Client(boost::asio::any_io_executor executor);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // A request on a reused connection that the server had closed meanwhile is repeated once on a new one, for GET and
  // DELETE only. Errors: unavailable (refused, reset), deadline_exceeded, too_large, protocol_error.
  [[nodiscard]] Task<Result<ClientResponse>> send(ClientRequest request);
  // The header is complete when it returns; `timeout` covers connecting and the header.
  [[nodiscard]] Task<Result<std::unique_ptr<ClientStream>>> open_stream(ClientRequest request);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace sandboxd::http
