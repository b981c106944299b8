#include "orch/watch_hub.hpp"

#include "base/assert.hpp"
#include "base/limits.hpp"

namespace sandboxd::orch {
namespace {

bool matches(const WatchEvent& event, const WatchFilter& filter) {
  if (event.kind == WatchKind::node_put || event.kind == WatchKind::node_gone) return filter.nodes && !filter.sandbox;
  if (!filter.sandboxes) return false;
  if (filter.sandbox && event.sandbox->id != *filter.sandbox) return false;
  return !filter.owner || event.sandbox->owner == *filter.owner;
}

}  // namespace

std::string_view to_string(WatchKind kind) {
  switch (kind) {
    case WatchKind::sandbox_put: return "sandbox_put";
    case WatchKind::sandbox_gone: return "sandbox_gone";
    case WatchKind::node_put: return "node_put";
    case WatchKind::node_gone: return "node_gone";
  }
  return "unknown";
}

WatchHub::WatchHub(boost::asio::any_io_executor executor, std::int64_t revision)
    : changed_(std::move(executor)), last_(revision) {}

void WatchHub::publish(std::vector<WatchEvent> events) {
  if (events.empty()) return;
  for (WatchEvent& event : events) {
    SBX_ASSERT(event.revision == last_ + 1);
    last_ = event.revision;
    history_.push_back(std::move(event));
  }
  while (history_.size() > limits::kWatchHistoryEvents) history_.pop_front();
  changed_.notify();
}

void WatchHub::close() {
  closed_ = true;
  changed_.notify();
}

Result<std::shared_ptr<WatchStream>> WatchHub::open(std::optional<std::int64_t> after, WatchFilter filter) {
  if (closed_) return Error(ErrorCode::unavailable, "the control plane is stopping; try again");
  if (watchers_ >= limits::kWatchersMax) {
    return Error(ErrorCode::resource_exhausted, "too many watchers; close one or try again later");
  }
  const std::int64_t from = after.value_or(last_);
  const std::int64_t oldest = last_ - static_cast<std::int64_t>(history_.size());
  const std::string list_again = "; list again and watch from the list's revision";
  if (from < oldest) {
    return Error(ErrorCode::not_found, "revision too old: " + std::to_string(from) + " is older than " +
                                           std::to_string(oldest) + ", the oldest that is kept" + list_again);
  }
  if (from > last_) {
    return Error(ErrorCode::not_found, "revision not reached: " + std::to_string(from) + " is newer than " +
                                           std::to_string(last_) + ", the server's own" + list_again);
  }
  return std::make_shared<WatchStream>(shared_from_this(), from, std::move(filter));
}

WatchStream::WatchStream(std::shared_ptr<WatchHub> hub, std::int64_t after, WatchFilter filter)
    : hub_(std::move(hub)), cursor_(after), filter_(std::move(filter)) {
  ++hub_->watchers_;
}

WatchStream::~WatchStream() { --hub_->watchers_; }

Task<std::optional<WatchEvent>> WatchStream::next() {
  for (;;) {
    if (hub_->closed_) co_return std::nullopt;
    const std::int64_t oldest = hub_->last_ - static_cast<std::int64_t>(hub_->history_.size());
    if (cursor_ < oldest) co_return std::nullopt;
    while (cursor_ < hub_->last_) {
      const WatchEvent& event = hub_->history_[static_cast<std::size_t>(cursor_ - oldest)];
      cursor_ = event.revision;
      if (matches(event, filter_)) co_return event;
    }
    co_await hub_->changed_.wait();
  }
}

}  // namespace sandboxd::orch
