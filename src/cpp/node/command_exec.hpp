// A command without a record. Inner part of commands.hpp.
#pragma once

#include "node/commands.hpp"
#include "node/output_tail.hpp"

#include <memory>
#include <optional>
#include <string>

namespace sandboxd::node {

class LiveExec final : public Exec {
 public:
  LiveExec(Commands& commands, CommandTarget target, model::Command command);
  ~LiveExec() override;
  LiveExec(const LiveExec&) = delete;
  LiveExec& operator=(const LiveExec&) = delete;

  [[nodiscard]] Task<Result<void>> start(model::CommandSpec spec, std::optional<std::string> input);
  [[nodiscard]] Task<Result<ExecOutcome>> finish() override;

 private:
  [[nodiscard]] ports::GuestAttach reading(bool has_stdin) const;
  void lost();

  // The caller's waiting may be cancelled and go on in another coroutine; what was read so far stays.
  Commands& commands_;
  ports::GuestCommands& host_;
  std::string key_;
  ExecOutcome outcome_;
  WallTime spawned_at_;  // by the clock inside
  OutputTail tail_{0};
  std::shared_ptr<ports::GuestAttachment> attachment_;
  bool is_over_ = false;
};

}  // namespace sandboxd::node
