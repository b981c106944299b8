#include "orch/inbox.hpp"

namespace sandboxd::orch {
namespace {

bool is_command(const InboxItem& item) { return std::holds_alternative<std::unique_ptr<Command>>(item); }

}  // namespace

Inbox::Inbox(boost::asio::any_io_executor executor)
    : executor_(executor), arrived_(executor), drained_(std::move(executor)) {}

std::optional<Error> Inbox::refuse() const {
  if (closed_) return Error(ErrorCode::unavailable, "the control plane is stopping; try again");
  if (items_.size() >= limits::kEngineInboxMax) {
    return Error(ErrorCode::resource_exhausted, "too many requests are waiting; try again in a moment");
  }
  return std::nullopt;
}

void Inbox::push(InboxItem item) {
  const bool is_first_command = is_command(item) && commands_++ == 0;
  const bool is_first = items_.empty();
  items_.push_back(std::move(item));
  if (is_first || is_first_command) arrived_.notify();
}

void Inbox::observe(Observation observation) { push(std::move(observation)); }

Task<void> Inbox::space() {
  while (items_.size() >= limits::kEngineInboxMax) co_await drained_.wait();
}

std::vector<InboxItem> Inbox::take(std::size_t max) {
  std::vector<InboxItem> out;
  out.reserve(std::min(max, items_.size()));
  const bool was_full = items_.size() >= limits::kEngineInboxMax;
  while (!items_.empty() && out.size() < max) {
    if (is_command(items_.front())) --commands_;
    out.push_back(std::move(items_.front()));
    items_.pop_front();
  }
  if (was_full) drained_.notify();
  return out;
}

}  // namespace sandboxd::orch
