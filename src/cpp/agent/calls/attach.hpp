// A reader of a command's output, and perhaps the writer of its stdin.
#pragma once

#include "agent/command.hpp"
#include "agent/session.hpp"

#include <memory>

namespace sandboxd::agent {

class AttachCall : public Call {
 public:
  // Opens it, or answers why not.
  static void open(std::shared_ptr<Command> command, const Attach& attach, Channel& channel);
  AttachCall(std::shared_ptr<Command> command, const Attach& attach, Channel& channel);
  ~AttachCall() override;

  [[nodiscard]] bool takes_data() const override { return attach_.stdin; }
  void on_data(std::string_view bytes) override;
  void on_eof() override { command_->close_stdin(); }
  bool step(Channel& channel) override;

 private:
  // True: something was sent.
  bool send(Output output, std::uint64_t& position);
  void grant();

  std::shared_ptr<Command> command_;
  Attach attach_;
  Channel& channel_;
  std::uint64_t granted_ = 0;  // of the command's stdin_taken()
  std::uint64_t received_ = 0;
  bool told_closed_ = false;
};

}  // namespace sandboxd::agent
