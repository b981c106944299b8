#include "orch/api/mcp/sessions.hpp"

#include <utility>

namespace sandboxd::orch::mcp {

Busy::Busy(SessionRef session) : session_(std::move(session)) {
  if (session_) ++session_->busy;
}

Busy::~Busy() {
  if (session_) --session_->busy;
}

Result<SessionRef> Sessions::open(std::string version, MonoTime now) {
  if (sessions_.size() >= max_) forget_idle(now);
  if (sessions_.size() >= max_) {
    return Error(ErrorCode::resource_exhausted, "too many sessions: end some, or try again later");
  }
  auto session = std::make_shared<Session>();
  session->id = new_id_();
  session->version = std::move(version);
  session->used_at = now;
  sessions_[session->id] = session;
  return session;
}

SessionRef Sessions::find(const std::string& id, MonoTime now) {
  forget_idle(now);
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return nullptr;
  found->second->used_at = now;
  return found->second;
}

void Sessions::end(const std::string& id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  const SessionRef session = found->second;
  sessions_.erase(found);
  session->is_over = true;
  const auto calls = session->calls;
  for (const auto& [key, call] : calls) call->cancel();
}

void Sessions::forget_idle(MonoTime now) {
  for (auto at = sessions_.begin(); at != sessions_.end();) {
    const Session& session = *at->second;
    const bool is_idle = session.busy == 0 && now - session.used_at >= idle_max_;
    if (is_idle) at->second->is_over = true;
    at = is_idle ? sessions_.erase(at) : std::next(at);
  }
}

}  // namespace sandboxd::orch::mcp
