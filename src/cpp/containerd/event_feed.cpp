#include "containerd/event_feed.hpp"

#include "containerd/methods.hpp"
#include "containerd/rpc.hpp"
#include "containerd/wire.pb.h"

#include <optional>
#include <string_view>
#include <unistd.h>

namespace sandboxd::containerd {

namespace {

constexpr const char* kMarkerTopic = "/sandboxd/subscribed";
constexpr Duration kMarkerInterval = std::chrono::milliseconds(20);
constexpr int kMarkersMax = 250;  // five seconds

// Type URLs come bare or with a domain before them, depending on the daemon's version.
bool is_type(const wire::Any& any, std::string_view name) {
  const std::string_view url = any.type_url();
  return url.substr(url.rfind('/') + 1) == name;
}

std::optional<ports::RuntimeEvent> to_event(const wire::Envelope& envelope) {
  if (is_type(envelope.event(), "containerd.events.TaskExit")) {
    wire::TaskExit exit;
    if (!exit.ParseFromString(envelope.event().value())) return std::nullopt;
    ports::ContainerExited out;
    // `id` is the process: a container's own id for its init, something else for an exec. The gVisor shim may name
    // another container of the pod in container_id.
    out.key = exit.id();
    out.exit_code = static_cast<int>(exit.exit_status());
    out.at = WallTime{exit.exited_at().seconds() * 1'000'000'000 + exit.exited_at().nanos()};
    return out;
  }
  if (is_type(envelope.event(), "containerd.events.TaskOOM")) {
    wire::TaskOutOfMemory oom;
    if (!oom.ParseFromString(envelope.event().value())) return std::nullopt;
    return ports::ContainerOutOfMemory{oom.container_id()};
  }
  return std::nullopt;
}

}  // namespace

struct EventFeed::Marker {
  std::string nonce;
  std::shared_ptr<ServerStream> stream;
  bool seen = false;
};

EventFeed::EventFeed(Context& context) : context_(context), opening_(context.executor, 1) {}

Task<Result<void>> EventFeed::open() {
  auto permit = co_await opening_.acquire();
  if (ready_) co_return Result<void>();
  wire::SubscribeRequest request;
  const std::string ours = std::string(",namespace==\"") + kNamespace + "\"";
  request.add_filters("topic==\"/tasks/exit\"" + ours);
  request.add_filters("topic==\"/tasks/oom\"" + ours);
  request.add_filters(std::string("topic==\"") + kMarkerTopic + "\"" + ours);
  backlog_.clear();
  stream_ = context_.channel.open_stream(method::kEventsSubscribe, request.SerializeAsString(), Duration::zero());

  auto marker = std::make_shared<Marker>();
  marker->nonce = std::to_string(getpid()) + "." + context_.options.instance + "." + std::to_string(++opened_) + "." +
                  std::to_string(context_.clock.wall_now().ns);
  marker->stream = stream_;
  context_.group.spawn("containerd.marker", publish_marker(&context_, marker));
  const auto found = co_await wait_for_marker(marker->nonce);
  marker->seen = true;
  if (!found) {
    stream_.reset();
    co_return found.error();
  }
  ready_ = true;
  co_return Result<void>();
}

Task<void> EventFeed::publish_marker(Context* context, std::shared_ptr<Marker> marker) {
  wire::PublishRequest request;
  request.set_topic(kMarkerTopic);
  request.mutable_event()->set_type_url("sandboxd.Subscribed");
  request.mutable_event()->set_value(marker->nonce);
  const std::string bytes = request.SerializeAsString();
  for (int i = 0; i < kMarkersMax && !marker->seen; ++i) {
    const auto sent = co_await context->channel.unary(method::kEventsPublish, bytes, context->options.call_timeout);
    if (!sent) break;
    if (marker->seen) co_return;
    co_await context->clock.sleep_for(kMarkerInterval);
  }
  if (!marker->seen) marker->stream->cancel();
}

Task<Result<void>> EventFeed::wait_for_marker(std::string nonce) {
  const auto stream = stream_;
  while (true) {
    SBX_CO_TRY(message, co_await stream->next());
    if (!message) co_return Error(ErrorCode::unavailable, "containerd ended its event stream");
    wire::Envelope envelope;
    if (!envelope.ParseFromString(*message)) co_return Error(ErrorCode::protocol_error, "unreadable containerd event");
    if (envelope.topic() == kMarkerTopic) {
      if (envelope.event().value() == nonce) co_return Result<void>();
      continue;
    }
    if (auto event = to_event(envelope)) backlog_.push_back(std::move(*event));
  }
}

Task<Result<ports::RuntimeEvent>> EventFeed::next() {
  SBX_CO_CHECK(co_await open());
  while (true) {
    if (!backlog_.empty()) {
      auto event = std::move(backlog_.front());
      backlog_.pop_front();
      co_return event;
    }
    const auto stream = stream_;
    if (!stream) co_return Error(ErrorCode::unavailable, "the event stream was closed");
    auto message = co_await stream->next();
    wire::Envelope envelope;
    if (message && *message && envelope.ParseFromString(**message)) {
      if (auto event = to_event(envelope)) co_return std::move(*event);
      continue;
    }
    ready_ = false;
    stream_.reset();
    if (!message) co_return Error(ErrorCode::unavailable, message.error().message());
    co_return Error(ErrorCode::unavailable, "containerd's event stream ended");
  }
}

void EventFeed::close() {
  if (stream_) stream_->cancel();
}

}  // namespace sandboxd::containerd
