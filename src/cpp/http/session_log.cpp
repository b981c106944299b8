// The part of a session that says what happened: log lines and counts.
#include "http/session.hpp"

namespace sandboxd::http {

void Session::log_failure(std::string_view what, const std::exception_ptr& failure) {
  std::string text = "not a standard exception";
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& exception) {
    text = exception.what();
  } catch (...) {
    // The text above says it.
  }
  server_->log.error(what, {{"method", method_}, {"path", path_}, {"request_id", request_id_}, {"error", text}});
}

void Session::log_answer(int status, bool is_stream) {
  Access access;
  access.method = method_;
  access.path = path_;
  access.query = query_;
  access.user_agent = user_agent_;
  access.peer_address = peer_address_;
  access.request_id = request_id_;
  access.status = status;
  access.latency = std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - started_);
  Traffic& traffic = *server_->options.traffic;
  traffic.answered(route_, status);
  if (!is_stream) traffic.took(route_, access.latency);
  log_access(server_->log, server_->options.access_log, access);
}

}  // namespace sandboxd::http
