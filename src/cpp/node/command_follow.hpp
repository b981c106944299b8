// Follows a command through everything that may happen to it: the agent connects anew, it ends, its output moves from
// the agent to the store. Inner part of commands.hpp.
#pragma once

#include "node/commands.hpp"

#include <memory>
#include <optional>
#include <string>

namespace sandboxd::node {

class LiveFollow final : public CommandFollow {
 public:
  LiveFollow(Commands& commands, model::Command command, FollowFrom from)
      : commands_(commands), command_(std::move(command)), from_(from), attaching_(commands.core_.executor, 1) {}

  [[nodiscard]] Task<Result<std::optional<model::OutputPiece>>> next() override;
  [[nodiscard]] Task<Result<void>> write_stdin(std::string bytes) override;
  [[nodiscard]] Task<Result<void>> close_stdin() override;
  [[nodiscard]] const model::Command& command() const override { return command_; }

 private:
  Task<Result<void>> attach();
  Task<Result<void>> load_rest();
  std::optional<model::OutputPiece> take_rest();

  Commands& commands_;
  model::Command command_;
  FollowFrom from_;
  std::shared_ptr<ports::GuestAttachment> attachment_;
  std::optional<model::CommandOutput> rest_;  // what the store has, once the agent has nothing more
  bool may_consume_ = true;
  aio::Semaphore attaching_;  // readers and writers both need it
  int failures_ = 0;
};

}  // namespace sandboxd::node
