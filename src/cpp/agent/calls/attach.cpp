#include "agent/calls/attach.hpp"

#include <algorithm>

namespace sandboxd::agent {

void AttachCall::open(std::shared_ptr<Command> command, const Attach& attach, Channel& channel) {
  if (!command) return channel.fail({ENOENT, "there is no command " + attach.command});
  if (attach.consume && command->has_consumer) return channel.fail({EBUSY, "another reader consumes the output"});
  if (attach.stdin && command->has_writer) return channel.fail({EBUSY, "another writer has the stdin"});
  channel.set_call(std::make_unique<AttachCall>(std::move(command), attach, channel));
}

AttachCall::AttachCall(std::shared_ptr<Command> command, const Attach& attach, Channel& channel)
    : command_(std::move(command)), attach_(attach), channel_(channel), granted_(command_->stdin_taken()) {
  command_->add_reader(channel_);
  if (attach_.consume) command_->has_consumer = true;
  if (attach_.stdin) command_->has_writer = true;
}

AttachCall::~AttachCall() {
  command_->remove_reader(channel_);
  if (attach_.consume) command_->has_consumer = false;
  if (attach_.stdin) command_->has_writer = false;
}

void AttachCall::on_data(std::string_view bytes) {
  received_ += bytes.size();
  if (!command_->write_stdin(bytes)) channel_.fail({ENOBUFS, "too much stdin waits for command " + command_->id()});
}

// What an earlier writer left counts for nobody.
void AttachCall::grant() {
  const std::uint64_t taken = std::min(command_->stdin_taken() - granted_, received_);
  if (taken == 0) return;
  granted_ += taken;
  received_ -= taken;
  channel_.consumed(static_cast<std::size_t>(taken));
}

bool AttachCall::send(Output output, std::uint64_t& position) {
  const std::string_view bytes = command_->ring(output).read(position, channel_.room());
  if (bytes.empty()) return false;
  channel_.send(encode_chunk_head(output, position, bytes.size()), bytes, bytes.size());
  position += bytes.size();
  if (attach_.consume) command_->consume(output, position);
  return true;
}

bool AttachCall::step(Channel& channel) {
  if (attach_.stdin) {
    grant();
    if (!command_->takes_stdin() && !std::exchange(told_closed_, true)) channel.send_cancel();
  }
  bool was_sent = send(Output::out, attach_.from_stdout);
  was_sent = send(Output::err, attach_.from_stderr) || was_sent;
  if (was_sent) return true;
  const CommandState state = command_->state();
  const bool is_level = attach_.from_stdout >= state.state.stdout_end && attach_.from_stderr >= state.state.stderr_end;
  if (is_level && (!attach_.follow || command_->is_drained())) channel.reply(state.state);
  return false;
}

}  // namespace sandboxd::agent
