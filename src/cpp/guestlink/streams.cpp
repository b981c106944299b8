#include "guestlink/streams.hpp"

#include <sys/stat.h>
#include <utility>

namespace sandboxd::guestlink {

Task<Result<std::optional<model::OutputPiece>>> OpenStream::next() {
  for (;;) {
    if (auto piece = call_->pop()) {
      connection_->link().return_credit(call_, piece->bytes.size());
      co_return piece;
    }
    if (call_->failure) co_return *call_->failure;
    if (call_->reply) co_return std::optional<model::OutputPiece>();
    co_await call_->changed.wait();
  }
}

Task<Result<void>> OpenStream::send(std::string bytes) {
  std::string_view rest = bytes;
  for (;;) {
    if (call_->failure) co_return *call_->failure;
    if (call_->reply || call_->takes_no_more)
      co_return Error(ErrorCode::conflict, "the command takes no more input: it closed its stdin, or has ended");
    rest.remove_prefix(connection_->link().send_data(call_, rest));
    if (rest.empty()) co_return Result<void>();
    co_await call_->changed.wait();
  }
}

// It takes requests in their order.
Task<Result<void>> OpenStream::flush() {
  SBX_CO_TRY(ping, connection_->link().open(agent::Type::ping, ""));
  while (!ping->is_over()) co_await ping->changed.wait();
  if (call_->failure) co_return *call_->failure;
  if (ping->failure) co_return *ping->failure;
  co_return Result<void>();
}

Task<Result<std::string>> OpenStream::reply() {
  while (!call_->is_over()) co_await call_->changed.wait();
  if (call_->failure) co_return *call_->failure;
  co_return *call_->reply;
}

Error OpenStream::break_off(const char* what) {
  Error error(ErrorCode::protocol_error, std::string("the sandbox's agent sent a malformed ") + what);
  connection_->close(error);
  return error;
}

Attachment::Attachment(ConnectionPtr connection, CallPtr call, std::string command)
    : stream_(std::move(connection), std::move(call)) {
  state_.id = std::move(command);
}

Task<Result<std::optional<model::OutputPiece>>> Attachment::next() {
  auto piece = co_await stream_.next();
  if (!piece || *piece) co_return piece;
  SBX_CO_TRY(payload, co_await stream_.reply());
  const auto ended = agent::decode<agent::Ended>(payload);
  if (!ended) co_return stream_.break_off("end of a command");
  state_.is_over = ended->is_over;
  state_.exit_code = ended->code;
  state_.signal = ended->signal;
  state_.timed_out = ended->timed_out;
  state_.ended_at = WallTime{ended->at_ns};
  state_.stdout_end = ended->stdout_end;
  state_.stderr_end = ended->stderr_end;
  co_return piece;
}

Task<Result<void>> Attachment::close_stdin() {
  stream_.send_eof();
  co_return Result<void>();
}

Task<Result<std::optional<std::string>>> Reader::next() {
  auto piece = co_await stream_.next();
  if (!piece) co_return piece.error();
  if (!*piece) co_return std::optional<std::string>();
  co_return std::move((*piece)->bytes);
}

Task<Result<model::FileInfo>> Writer::finish() {
  stream_.send_eof();
  SBX_CO_TRY(payload, co_await stream_.reply());
  if (payload.empty()) co_return model::FileInfo{};  // unpacked
  auto status = agent::decode<agent::FileStatus>(payload);
  if (!status) co_return stream_.break_off("file");
  co_return file_info(*std::move(status));
}

Task<Result<ports::FileEvent>> Watch::next() {
  if (stream_.take_loss()) co_return ports::FileEvent{ports::FileChange::overflow, ""};
  SBX_CO_TRY(piece, co_await stream_.next());
  if (!piece) co_return Error(ErrorCode::conflict, "the watch has ended");
  auto event = agent::decode<agent::FileEvent>(piece->bytes);
  if (!event || event->change < agent::Change::created || event->change > agent::Change::overflow)
    co_return stream_.break_off("event of a file");
  const int first = static_cast<int>(agent::Change::created);
  co_return ports::FileEvent{static_cast<ports::FileChange>(static_cast<int>(event->change) - first),
                             std::move(event->path)};
}

model::FileInfo file_info(agent::FileStatus status) {
  model::FileInfo info;
  info.path = std::move(status.path);
  info.kind = S_ISREG(status.mode)   ? model::FileKind::file
              : S_ISDIR(status.mode) ? model::FileKind::directory
              : S_ISLNK(status.mode) ? model::FileKind::link
                                     : model::FileKind::other;
  info.mode = status.mode;
  info.size = status.size;
  info.uid = status.uid;
  info.gid = status.gid;
  info.owner = std::move(status.owner);
  info.group = std::move(status.group);
  info.links = status.links;
  info.modified_at = WallTime{status.modified_ns};
  info.target = std::move(status.target);
  return info;
}

}  // namespace sandboxd::guestlink
