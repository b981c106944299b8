#include "orch/api/mcp/answers.hpp"

#include "http/sse.hpp"

#include <utility>

namespace sandboxd::orch::mcp {
namespace {

namespace json = codec::json;

json::value progress_token(const Message& request) {
  const json::value* meta = request.params.if_contains("_meta");
  const json::object* members = meta == nullptr ? nullptr : meta->if_object();
  const json::value* token = members == nullptr ? nullptr : members->if_contains("progressToken");
  return token != nullptr && (token->is_string() || token->is_number()) ? *token : json::value();
}

}  // namespace

std::string sse_of(const json::object& message) {
  http::SseEvent out;
  out.event = "message";
  out.data = codec::write_json(json::value(message));
  return http::format_sse(out);
}

Answers::Answers(std::shared_ptr<const Offer> offer, std::shared_ptr<Calls> calls, ports::Clock& clock,
                 SessionRef session, std::vector<Message> requests, Intervals intervals)
    : offer_(std::move(offer)),
      calls_(std::move(calls)),
      clock_(clock),
      session_(std::move(session)),
      busy_(session_),
      intervals_(intervals) {
  for (Message& request : requests) {
    Item item;
    item.key = request_key(request.id);
    item.token = progress_token(request);
    item.call = calls_->make();
    item.request = std::move(request);
    if (session_) session_->calls[item.key] = item.call;
    items_.push_back(std::move(item));
  }
}

Answers::~Answers() {
  for (const Item& item : items_) {
    item.call->cancel();
    forget(item);
  }
}

void Answers::forget(const Item& item) {
  if (!session_) return;
  const auto found = session_->calls.find(item.key);
  // A client may use an id again.
  if (found != session_->calls.end() && found->second == item.call) session_->calls.erase(found);
}

void Answers::begin(Item& item) {
  is_begun_ = true;
  begun_at_ = clock_.mono_now();
  tick_at_ = begun_at_ + (item.token.is_null() ? intervals_.keep_alive : intervals_.progress);
  // A cancelled one is never started.
  if (item.call->is_cancelled()) return;
  auto tell = [weak = std::weak_ptr(item.call)](Progress progress) {
    if (const auto call = weak.lock()) call->tell(std::move(progress));
  };
  calls_->start(item.call, answer(offer_, session_, item.request, std::move(tell)));
}

Progress Answers::progress_of(const Item& item) const {
  if (item.call->progress()) return *item.call->progress();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(clock_.mono_now() - begun_at_).count();
  return {seconds, 0, called_tool(item.request) + ": " + std::to_string(seconds) + " s"};
}

std::string Answers::tick(Item& item) {
  tick_at_ = clock_.mono_now() + (item.token.is_null() ? intervals_.keep_alive : intervals_.progress);
  if (item.token.is_null()) return http::sse_keep_alive();
  const Progress progress = progress_of(item);
  const bool is_unknown = item.call->progress() && progress.total == 0;
  // The protocol wants each to be more than the last.
  if (is_unknown || progress.done <= item.told) return http::sse_keep_alive();
  item.told = progress.done;
  return sse_of(progress_notification(item.token, progress));
}

Task<std::optional<std::string>> Answers::next() {
  while (at_ < items_.size()) {
    Item& item = items_[at_];
    if (!is_begun_) begin(item);
    if (!item.call->is_over()) co_await item.call->wait_until(clock_, tick_at_);
    if (!item.call->is_over() && clock_.mono_now() < tick_at_) continue;
    if (!item.call->is_over()) co_return tick(item);
    forget(item);
    is_begun_ = false;
    ++at_;
    // As the protocol says: a request that was cancelled has no answer.
    if (item.call->is_cancelled()) continue;
    co_return sse_of(item.call->answer().empty() ? internal_error(item.request) : item.call->answer());
  }
  co_return std::nullopt;
}

}  // namespace sandboxd::orch::mcp
