#include "node/watch_hub.hpp"

#include "aio/notifier.hpp"
#include "base/limits.hpp"

#include <deque>
#include <optional>
#include <string>
#include <utility>

namespace sandboxd::node {

struct WatchHub::Subscriber {
  explicit Subscriber(boost::asio::any_io_executor executor) : changed(std::move(executor)) {}

  std::deque<ports::NodeEvent> events;
  std::size_t backlog_max = limits::kWatcherBacklogMax;
  std::string ended;  // why no more events will come; empty while they do
  aio::Notifier changed;
};

class WatchHub::Watch final : public ports::NodeWatch {
 public:
  explicit Watch(std::shared_ptr<Subscriber> subscriber) : subscriber_(std::move(subscriber)) {}

  [[nodiscard]] Task<Result<ports::NodeEvent>> next() override {
    auto subscriber = subscriber_;
    while (subscriber->events.empty() && subscriber->ended.empty()) co_await subscriber->changed.wait();
    if (subscriber->events.empty()) co_return Error(ErrorCode::unavailable, subscriber->ended);
    co_return *ready();
  }

  [[nodiscard]] std::optional<ports::NodeEvent> ready() override {
    auto& events = subscriber_->events;
    if (events.empty()) return std::nullopt;
    std::optional<ports::NodeEvent> event = std::move(events.front());
    events.pop_front();
    return event;
  }

 private:
  std::shared_ptr<Subscriber> subscriber_;
};

WatchHub::WatchHub(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

WatchHub::~WatchHub() = default;

Result<std::unique_ptr<ports::NodeWatch>> WatchHub::subscribe(std::vector<ports::NodeEvent> first) {
  if (closed_) return Error(ErrorCode::unavailable, "the node agent is stopping");
  if (size() >= limits::kWatchersMax)
    return Error(ErrorCode::resource_exhausted,
                 "too many watchers (max " + std::to_string(limits::kWatchersMax) + "): close some first");
  auto subscriber = std::make_shared<Subscriber>(executor_);
  subscriber->backlog_max += first.size();
  subscriber->events.assign(std::make_move_iterator(first.begin()), std::make_move_iterator(first.end()));
  subscribers_.push_back(subscriber);
  return std::unique_ptr<ports::NodeWatch>(std::make_unique<Watch>(std::move(subscriber)));
}

void WatchHub::publish(const ports::NodeEvent& event) {
  std::erase_if(subscribers_, [](const auto& weak) { return weak.expired(); });
  for (const auto& weak : subscribers_) {
    const auto subscriber = weak.lock();
    if (!subscriber || !subscriber->ended.empty()) continue;
    if (subscriber->events.size() >= subscriber->backlog_max) {
      // What is queued would be a history with a hole at its end: worthless to the reader.
      subscriber->events.clear();
      subscriber->ended = "the watcher fell behind: open a new watch";
    } else {
      subscriber->events.push_back(event);
    }
    subscriber->changed.notify();
  }
}

std::size_t WatchHub::size() {
  std::erase_if(subscribers_, [](const auto& weak) { return weak.expired(); });
  return subscribers_.size();
}

void WatchHub::close() {
  closed_ = true;
  for (const auto& weak : subscribers_) {
    const auto subscriber = weak.lock();
    if (!subscriber) continue;
    if (subscriber->ended.empty()) subscriber->ended = "the node agent is stopping";
    subscriber->changed.notify();
  }
}

}  // namespace sandboxd::node
