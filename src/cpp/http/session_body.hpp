// What a handler reads its request's body with. Inner part of session*.cpp.
#pragma once

#include "http/session.hpp"

#include <memory>
#include <optional>
#include <string>

namespace sandboxd::http {

class Session::Body final : public BodyReader {
 public:
  explicit Body(const std::shared_ptr<Session>& session);
  static std::shared_ptr<Body> make(const std::shared_ptr<Session>& session);

  Task<Result<std::optional<std::string>>> next() override { return read(self_.lock()); }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return length_; }

  // Nobody is to read any more. False when somebody still does.
  bool detach();
  [[nodiscard]] bool is_detached() const { return session_.expired(); }
  [[nodiscard]] bool is_reading() const { return is_reading_; }
  // Until the body or somebody's reading has ended, or may have.
  [[nodiscard]] Task<void> wait_for_end() { return ended_.wait(); }
  void notify() { ended_.notify(); }

 private:
  static Task<Result<std::optional<std::string>>> read(std::shared_ptr<Body> self);

  std::weak_ptr<Session> session_;
  std::weak_ptr<Body> self_;
  std::optional<std::uint64_t> length_;
  aio::Notifier ended_;
  bool is_reading_ = false;
};

}  // namespace sandboxd::http
