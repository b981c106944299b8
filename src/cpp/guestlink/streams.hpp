// Calls on which data flows, as their users see them. Destroying one cancels its call.
#pragma once

#include "guestlink/connection.hpp"
#include "ports/guest_agents.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace sandboxd::guestlink {

// Ends the call when its user goes away.
class OpenStream {
 public:
  OpenStream(ConnectionPtr connection, CallPtr call) : connection_(std::move(connection)), call_(std::move(call)) {}
  ~OpenStream() { connection_->link().abandon(call_); }
  OpenStream(const OpenStream&) = delete;
  OpenStream& operator=(const OpenStream&) = delete;

  // The next piece of data, or nothing when the reply is there. Errors: the call's.
  [[nodiscard]] Task<Result<std::optional<model::OutputPiece>>> next();
  // Returns when all of it is on its way. Errors: the call's; conflict when it was answered before.
  [[nodiscard]] Task<Result<void>> send(std::string bytes);
  // Until the agent has worked on everything that was sent before. Errors: the call's.
  [[nodiscard]] Task<Result<void>> flush();
  // Nothing waits any more, and something was dropped since the last time.
  [[nodiscard]] bool take_loss() { return call_->pieces.empty() && std::exchange(call_->has_lost, false); }
  void send_eof() { connection_->link().send_eof(call_); }
  // Waits for it. Errors: the call's.
  [[nodiscard]] Task<Result<std::string>> reply();
  // The peer spoke nonsense: nothing that comes from it is worth reading.
  [[nodiscard]] Error break_off(const char* what);

 private:
  ConnectionPtr connection_;
  CallPtr call_;
};

class Attachment final : public ports::GuestAttachment {
 public:
  Attachment(ConnectionPtr connection, CallPtr call, std::string command);
  [[nodiscard]] Task<Result<std::optional<model::OutputPiece>>> next() override;
  [[nodiscard]] Task<Result<void>> write_stdin(std::string bytes) override { return stream_.send(std::move(bytes)); }
  [[nodiscard]] Task<Result<void>> close_stdin() override;
  [[nodiscard]] Task<Result<void>> flush_stdin() override { return stream_.flush(); }
  [[nodiscard]] const ports::GuestCommandState& state() const override { return state_; }

 private:
  OpenStream stream_;
  ports::GuestCommandState state_;
};

class Reader final : public ports::GuestReader {
 public:
  Reader(ConnectionPtr connection, CallPtr call) : stream_(std::move(connection), std::move(call)) {}
  [[nodiscard]] Task<Result<std::optional<std::string>>> next() override;

 private:
  OpenStream stream_;
};

class Writer final : public ports::GuestWriter {
 public:
  Writer(ConnectionPtr connection, CallPtr call) : stream_(std::move(connection), std::move(call)) {}
  [[nodiscard]] Task<Result<void>> write(std::string bytes) override { return stream_.send(std::move(bytes)); }
  [[nodiscard]] Task<Result<model::FileInfo>> finish() override;

 private:
  OpenStream stream_;
};

class Watch final : public ports::GuestWatch {
 public:
  Watch(ConnectionPtr connection, CallPtr call) : stream_(std::move(connection), std::move(call)) {}
  // Until the agent has begun to watch. Errors: the agent's.
  [[nodiscard]] Task<Result<void>> begun() { return stream_.flush(); }
  [[nodiscard]] Task<Result<ports::FileEvent>> next() override;

 private:
  OpenStream stream_;
};

[[nodiscard]] model::FileInfo file_info(agent::FileStatus status);

}  // namespace sandboxd::guestlink
