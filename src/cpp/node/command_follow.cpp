#include "node/command_follow.hpp"

#include <algorithm>
#include <utility>

namespace sandboxd::node {
namespace {

constexpr std::size_t kPieceBytes = 64 * 1024;
constexpr int kFailuresMax = 5;
constexpr Duration kRetryPause = std::chrono::milliseconds(100);

// What lies at and behind `position` of what is kept.
std::optional<model::OutputPiece> next_of(const std::string& bytes, std::uint64_t begin, std::uint64_t& position) {
  position = std::max(position, begin);
  const std::uint64_t offset = position - begin;
  if (offset >= bytes.size()) return std::nullopt;
  model::OutputPiece piece;
  piece.position = position;
  piece.bytes = bytes.substr(static_cast<std::size_t>(offset), kPieceBytes);
  position += piece.bytes.size();
  return piece;
}

// Of the connection, not of the command; or somebody else has just left its stdin.
bool is_passing(const Error& error) {
  return error.code() == ErrorCode::unavailable || error.code() == ErrorCode::protocol_error ||
         error.code() == ErrorCode::not_found || error.code() == ErrorCode::conflict;
}

}  // namespace

Task<Result<std::optional<model::OutputPiece>>> LiveFollow::next() {
  for (;;) {
    if (rest_) co_return take_rest();
    const LivePtr live = commands_.find_live(command_.sandbox, command_.id);
    if (!attachment_ && (!live || live->is_settling)) {
      SBX_CO_CHECK(co_await load_rest());
      continue;
    }
    Result<void> attached;
    if (!attachment_) attached = co_await attach();
    if (!attached) {
      // It may have ended, or the agent is about to connect again: look anew, but not for ever.
      if (++failures_ > kFailuresMax) co_return attached.error();
      continue;
    }
    const auto attachment = attachment_;
    if (!attachment) continue;
    auto piece = co_await attachment->next();
    if (piece && *piece) {
      failures_ = 0;
      std::uint64_t& position = (*piece)->is_stderr ? from_.stderr_position : from_.stdout_position;
      position = (*piece)->position + (*piece)->bytes.size();
      co_return piece;
    }
    if (attachment_ == attachment) attachment_.reset();
    if (piece) {
      SBX_CO_CHECK(co_await load_rest());
    } else if (may_consume_ && !from_.has_stdin && piece.error().code() == ErrorCode::conflict) {
      may_consume_ = false;  // somebody else makes the room
    } else if (++failures_ > kFailuresMax || !is_passing(piece.error())) {
      co_return piece.error();
    } else {
      co_await commands_.core_.ports.clock.sleep_for(kRetryPause);
    }
  }
}

Task<Result<void>> LiveFollow::attach() {
  const auto permit = co_await attaching_.acquire();
  if (attachment_) co_return Result<void>();
  const LivePtr live = commands_.find_live(command_.sandbox, command_.id);
  if (!live || live->is_settling) co_return Error(ErrorCode::conflict, "the command has ended");
  ports::GuestAttach how;
  how.command = command_.id;
  how.from_stdout = from_.stdout_position;
  how.from_stderr = from_.stderr_position;
  how.consume = may_consume_;
  how.has_stdin = from_.has_stdin;
  SBX_CO_TRY(attached, co_await live->host->attach(live->record.key, std::move(how)));
  attachment_ = std::move(attached);
  co_return Result<void>();
}

// It has ended, or is about to be recorded so.
Task<Result<void>> LiveFollow::load_rest() {
  if (const LivePtr live = commands_.find_live(command_.sandbox, command_.id))
    SBX_CO_CHECK(co_await commands_.wait_finished(live));
  ports::CommandStore& store = *commands_.core_.ports.commands;
  SBX_CO_TRY(stored, co_await store.get(command_.sandbox, command_.id));
  SBX_CO_TRY(output, co_await store.output(command_.sandbox, command_.id));
  command_ = std::move(stored.command);
  rest_ = std::move(output);
  co_return Result<void>();
}

std::optional<model::OutputPiece> LiveFollow::take_rest() {
  auto piece = next_of(rest_->stdout_bytes, rest_->stdout_begin, from_.stdout_position);
  if (piece) return piece;
  piece = next_of(rest_->stderr_bytes, rest_->stderr_begin, from_.stderr_position);
  if (piece) piece->is_stderr = true;
  return piece;
}

Task<Result<void>> LiveFollow::write_stdin(std::string bytes) {
  if (!attachment_) SBX_CO_CHECK(co_await attach());
  const auto attachment = attachment_;
  if (!attachment) co_return Error(ErrorCode::conflict, "the command has ended");
  co_return co_await attachment->write_stdin(std::move(bytes));
}

Task<Result<void>> LiveFollow::close_stdin() {
  if (!attachment_) SBX_CO_CHECK(co_await attach());
  const auto attachment = attachment_;
  if (!attachment) co_return Error(ErrorCode::conflict, "the command has ended");
  co_return co_await attachment->close_stdin();
}

}  // namespace sandboxd::node
