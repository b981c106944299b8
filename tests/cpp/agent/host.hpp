// The node's side of the protocol as tests need it: starts the real program in a directory of its own, accepts its
// connection, and talks to it, one thing after another.
#pragma once

#include "agent/protocol.hpp"
#include "support/temp_dir.hpp"

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace sandboxd::test {

struct Frame {
  agent::Type type{};
  std::uint32_t call = 0;
  std::string payload;
};

// A call's answer and what came before it.
struct Answered {
  std::string payload;  // of the reply
  std::optional<agent::Failed> failed;
  std::string data;                 // of all data frames, one after another
  std::vector<std::string> pieces;  // the data frames
  bool was_eof = false;
  bool was_cancelled = false;  // stdin takes no more
  template <class T>
  [[nodiscard]] T as() const {
    return agent::decode<T>(payload).value();
  }
};

struct Outputs {
  std::string out;
  std::string err;
  agent::Ended ended;
};

class AgentHost {
 public:
  // The setup of a test: hold, the caller's identity, everything of its environment that programs need.
  static agent::Setup holding();

  // `as_init`: in a PID namespace of its own (needs root).
  explicit AgentHost(const agent::Setup& setup, bool as_init = false, bool listens = true);
  ~AgentHost();
  AgentHost(const AgentHost&) = delete;
  AgentHost& operator=(const AgentHost&) = delete;

  void listen();
  // Waits for the agent's connection and its hello.
  agent::Hello accept();
  void drop();                     // the connection
  [[nodiscard]] bool is_closed();  // waits for the agent to end the connection

  void send(agent::Type type, std::uint32_t call, std::string_view payload);
  void send_raw(std::string_view bytes);
  template <class T>
  std::uint32_t request(agent::Type type, const T& message) {
    send(type, ++last_call_, agent::encode(message));
    return last_call_;
  }
  // The next frame, or a failed test after `seconds`.
  Frame next(int seconds = 20);
  // Nothing came within that time.
  [[nodiscard]] bool is_silent(int milliseconds);
  // Until its answer. Grants credit as data comes.
  Answered finish(std::uint32_t call);
  template <class T>
  Answered ask(agent::Type type, const T& message) {
    return finish(request(type, message));
  }
  agent::Exited exited(const std::string& command);
  // start, attach, everything it said, and how it ended.
  Outputs run(agent::Start start);
  static agent::Start command(std::vector<std::string> argv);

  [[nodiscard]] const std::string& path() const { return directory_.path(); }
  [[nodiscard]] pid_t pid() const { return pid_; }
  void kill(int signal) const;
  int wait();                                // its exit code; 128 + signal
  [[nodiscard]] std::string output() const;  // what the container's log would hold
  // Of the agent itself, /proc/PID/fd's count.
  [[nodiscard]] std::size_t descriptors() const;

 private:
  void spawn(bool as_init);
  [[nodiscard]] bool wait_readable(int fd, int milliseconds) const;

  TempDir directory_;
  pid_t pid_ = 0;
  int listener_ = -1;
  int fd_ = -1;
  std::string in_;
  std::uint32_t last_call_ = 0;
  int last_id_ = 0;
  std::map<std::string, agent::Exited> exited_;
  std::deque<Frame> kept_;
};

}  // namespace sandboxd::test
