// A server on a thread of its own, and a blocking socket that speaks raw bytes to it.
#pragma once

#include "aio/io_runtime.hpp"
#include "http/server.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

namespace sandboxd::http::test {

inline constexpr Duration kPatience = std::chrono::seconds(20);  // how long a test waits before it fails

// Waits for `future` within the test's patience.
template <class T>
[[nodiscard]] bool arrives(const std::future<T>& future) {
  return future.wait_for(kPatience) == std::future_status::ready;
}

// A blocking TCP connection to 127.0.0.1. Every read ends within the test's patience.
class RawClient {
 public:
  explicit RawClient(int port);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void send(std::string_view bytes);
  // False when the peer no longer takes bytes.
  bool try_send(std::string_view bytes);
  // One whole answer with Content-Length (or none): its header and body.
  std::string read_answer();
  // Until `text` has come; everything up to its end.
  std::string read_until(std::string_view text);
  // Until the peer closes; "RESET" at the end when it was a reset.
  std::string read_to_end();
  void shut_down_sending();
  // Sends and reads one answer.
  std::string ask(std::string_view bytes) {
    send(bytes);
    return read_answer();
  }

 private:
  bool receive();  // false at the end

  int fd_ = -1;
  std::string received_;
  bool was_reset_ = false;
};

// A server whose every byte the test decides: `script` runs on a thread of its own and accepts as it likes.
class ScriptedServer {
 public:
  class Peer {  // one accepted connection
   public:
    explicit Peer(int fd) : fd_(fd) {}
    ~Peer();
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;
    // The header of the next request, or what came of it before the connection ended.
    std::string read_header();
    // How many of `count` bytes came before the connection ended.
    std::size_t read_bytes(std::size_t count);
    // False when the peer no longer takes bytes.
    bool send(std::string_view bytes);
    // Until the client closes.
    void wait_for_end();

   private:
    int fd_;
  };

  explicit ScriptedServer(std::function<void(ScriptedServer&)> script);
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  [[nodiscard]] Peer accept();
  [[nodiscard]] int port() const { return port_; }
  // Waits for the script's end.
  void join() { thread_.join(); }

 private:
  int fd_;
  int port_ = 0;
  std::thread thread_;
};

// What the test's handlers report and wait for. Touched by the server's thread, except for the futures.
struct Probe {
  explicit Probe(boost::asio::io_context& context) : gate(context, boost::asio::steady_timer::time_point::max()) {}

  boost::asio::steady_timer gate;  // cancelled to let /wait go on
  std::promise<void> wait_entered;
  std::promise<bool> wait_left;         // true: cancelled
  std::promise<void> stream_destroyed;  // the first one
  std::promise<void> stream_cancelled;
  bool was_stream_destroyed = false;
};

// Routes:
//   GET /hello (open), GET /secret (needs authentication), GET /items/{id}, POST /echo (at most 1000 bytes),
//   GET /throw, GET /bytes?n= (a body of n bytes), GET /wait (until the gate opens),
//   GET /stream?n= (n pieces "piece <i>;", each with `size` bytes more; then waits for ever, or ends with `end`, or
//   fails with `break`),
//   POST /large (a body up to the default limit), GET /empty (204)
class TestServer {
 public:
  explicit TestServer(ServerOptions options = {});
  ~TestServer();

  [[nodiscard]] int port() const { return server->port(); }
  [[nodiscard]] std::string host() const { return "127.0.0.1:" + std::to_string(port()); }
  // "GET <target> HTTP/1.1" with a Host and `headers` (each with CRLF).
  [[nodiscard]] std::string get(const std::string& target, const std::string& headers = {}) const {
    return "GET " + target + " HTTP/1.1\r\nHost: " + host() + "\r\n" + headers + "\r\n";
  }
  [[nodiscard]] std::string post(const std::string& target, const std::string& body,
                                 const std::string& headers = {}) const {
    return "POST " + target + " HTTP/1.1\r\nHost: " + host() + "\r\n" + headers +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  void open_gate();
  void stop(Duration drain) { runtime.run(server->stop(drain)); }

  aio::IoRuntime runtime{"http-test"};
  std::shared_ptr<Probe> probe;
  std::unique_ptr<Server> server;
  bool stops_by_itself = true;  // the destructor stops the server
};

}  // namespace sandboxd::http::test
