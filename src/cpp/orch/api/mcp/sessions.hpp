// Clients that have said hello. Bounded; who says nothing for long is forgotten. Core thread.
#pragma once

#include "base/result.hpp"
#include "base/time.hpp"
#include "orch/api/mcp/calls.hpp"

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace sandboxd::orch::mcp {

struct Session {
  std::string id;
  std::string version;          // of the protocol
  bool is_initialized = false;  // the client has said that it is
  bool has_stream = false;      // a GET is open
  bool is_over = false;         // deleted or forgotten: an open stream ends
  std::size_t busy = 0;         // calls and streams under way: not idle
  MonoTime used_at;
  std::map<std::string, std::shared_ptr<Call>> calls;  // under way, by the ids of their requests
};
using SessionRef = std::shared_ptr<Session>;

// Counts as use of its session, if there is one, while it lives.
class Busy {
 public:
  explicit Busy(SessionRef session);
  ~Busy();
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

 private:
  SessionRef session_;
};

class Sessions {
 public:
  // `new_id` gives ids that cannot be guessed.
  Sessions(std::function<std::string()> new_id, std::size_t max, Duration idle_max)
      : new_id_(std::move(new_id)), max_(max), idle_max_(idle_max) {}

  // Errors: resource_exhausted: as many are there, and none of them is idle for long enough.
  [[nodiscard]] Result<SessionRef> open(std::string version, MonoTime now);
  // nullptr: unknown, or forgotten.
  [[nodiscard]] SessionRef find(const std::string& id, MonoTime now);
  // Its calls are cancelled.
  void end(const std::string& id);
  [[nodiscard]] std::size_t size() const { return sessions_.size(); }

 private:
  void forget_idle(MonoTime now);

  std::function<std::string()> new_id_;
  std::size_t max_;
  Duration idle_max_;
  std::map<std::string, SessionRef> sessions_;
};

}  // namespace sandboxd::orch::mcp
