// What the node's requests mean: the real Requests of a session.
#pragma once

#include "agent/commands.hpp"
#include "agent/files/acting.hpp"
#include "agent/session.hpp"

namespace sandboxd::agent {

class AgentRequests : public Requests {
 public:
  AgentRequests(Commands& commands, const Setup& setup, const Rights& own, Loop& loop)
      : commands_(commands), own_(own), files_(setup, own, loop) {}
  [[nodiscard]] bool open(Type type, std::string_view payload, Channel& channel) override;

 private:
  [[nodiscard]] bool open_command(Type type, std::string_view payload, Channel& channel);
  [[nodiscard]] bool open_start(std::string_view payload, Channel& channel);
  [[nodiscard]] bool open_attach(std::string_view payload, Channel& channel);
  [[nodiscard]] bool open_signal(std::string_view payload, Channel& channel);
  [[nodiscard]] bool open_resize(std::string_view payload, Channel& channel);
  [[nodiscard]] bool open_forget(std::string_view payload, Channel& channel);

  Commands& commands_;
  const Rights& own_;
  Files files_;
  std::int64_t active_ns_ = wall_ns();
};

}  // namespace sandboxd::agent
