#include "guestlink/link.hpp"

#include <algorithm>
#include <utility>

namespace sandboxd::guestlink {
namespace {

constexpr std::size_t kCommandIdMax = 64;  // of agent::Start
constexpr std::uint64_t kReturnFrom = agent::kCreditStart / 4;

Error broken(std::string_view rule) {
  return {ErrorCode::protocol_error, "the sandbox's agent broke the protocol: " + std::string(rule)};
}

}  // namespace

Link::Link(boost::asio::any_io_executor executor, Events events)
    : executor_(std::move(executor)), events_(std::move(events)) {}

Result<void> Link::feed(std::string_view bytes) {
  SBX_CHECK(complete_held(bytes));
  // Whole frames are read where they lie; only the rest of the last one is kept.
  while (bytes.size() >= agent::kHeaderBytes) {
    const auto header = agent::decode_header(bytes);
    if (!header) return broken("a frame's header");
    if (bytes.size() - agent::kHeaderBytes < header->length) break;
    SBX_CHECK(take(*header, bytes.substr(agent::kHeaderBytes, header->length)));
    bytes.remove_prefix(agent::kHeaderBytes + header->length);
  }
  if (!bytes.empty()) held_.assign(bytes);
  return {};
}

// Takes off `bytes` what the frame that has come in part lacks. Nothing is held when some of them are left.
Result<void> Link::complete_held(std::string_view& bytes) {
  while (!held_.empty()) {
    std::size_t wanted = agent::kHeaderBytes;
    std::optional<agent::Header> header;
    if (held_.size() >= wanted) {
      header = agent::decode_header(held_);
      if (!header) return broken("a frame's header");
      wanted += header->length;
    }
    if (header && held_.size() == wanted) {
      const std::string frame = std::exchange(held_, {});
      return take(*header, std::string_view(frame).substr(agent::kHeaderBytes));
    }
    if (bytes.empty()) break;
    const std::size_t size = std::min(wanted - held_.size(), bytes.size());
    held_.append(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  return {};
}

Result<void> Link::take(const agent::Header& header, std::string_view payload) {
  if (!greeted_ && header.type != agent::Type::hello) return broken("the first frame is no hello");
  if (header.call == 0) return take_event(header.type, payload);
  const auto at = calls_.find(header.call);
  if (at == calls_.end()) return broken("a frame for a call that is not open");
  const CallPtr call = at->second;  // it may leave the table
  switch (header.type) {
    case agent::Type::data: return take_data(*call, payload);
    case agent::Type::credit: return take_credit(*call, payload);
    case agent::Type::eof:
      if (!gives_data(call->request) || call->has_agent_ended || !payload.empty()) return broken("an eof");
      call->has_agent_ended = true;
      call->changed.notify();
      return {};
    case agent::Type::cancel:
      if (call->request != agent::Type::attach || !payload.empty()) return broken("a cancel");
      call->takes_no_more = true;
      call->changed.notify();
      return {};
    case agent::Type::reply:
    case agent::Type::failed: return take_end(call, header.type, payload);
    default: return broken("a frame of a type that agents do not send");
  }
}

Result<void> Link::take_event(agent::Type type, std::string_view payload) {
  if (type == agent::Type::hello) {
    if (greeted_) return broken("a second hello");
    const auto hello = agent::decode<agent::Hello>(payload);
    if (!hello) return broken("a malformed hello");
    if (hello->version != agent::kVersion)
      return Error(ErrorCode::unsupported, "the sandbox's agent speaks version " + std::to_string(hello->version) +
                                               " of the protocol, not " + std::to_string(agent::kVersion));
    greeted_ = true;
    events_.hello(*hello);
    return {};
  }
  if (type != agent::Type::exited) return broken("a frame without a call");
  const auto exited = agent::decode<agent::Exited>(payload);
  if (!exited || exited->command.size() > kCommandIdMax) return broken("a malformed exit");
  events_.exited(*exited);
  return {};
}

Result<void> Link::take_data(Call& call, std::string_view payload) {
  if (!gives_data(call.request) || call.has_agent_ended) return broken("data that nobody asked for");
  agent::ChunkView chunk{agent::Output::out, 0, payload};
  if (call.request == agent::Type::attach) {
    const auto decoded = agent::decode<agent::ChunkView>(payload);
    if (!decoded || (decoded->output != agent::Output::out && decoded->output != agent::Output::err))
      return broken("a malformed chunk");
    chunk = *decoded;
  }
  const std::size_t size = chunk.bytes.size();
  if (size == 0) return broken("an empty frame of data");
  if (size > call.may_receive) return broken("more data than was asked for");
  call.may_receive -= size;
  if (call.is_abandoned) return {};
  const std::size_t dropped = call.push(chunk);
  call.unreturned += dropped;
  call.changed.notify();
  return {};
}

Result<void> Link::take_credit(Call& call, std::string_view payload) {
  const auto credit = agent::decode<agent::Credit>(payload);
  if (!credit || !takes_data(call.request)) return broken("a credit");
  call.may_send = std::min(call.may_send + credit->bytes, kSendCreditMax);
  call.changed.notify();
  return {};
}

Result<void> Link::take_end(const CallPtr& call, agent::Type type, std::string_view payload) {
  if (type == agent::Type::reply) {
    call->reply.emplace(call->is_abandoned ? std::string_view() : payload);
  } else {
    const auto failed = agent::decode<agent::Failed>(payload);
    if (!failed) return broken("a malformed failure");
    call->failure = failed_error(*failed);
  }
  if (gives_data(call->request) || takes_data(call->request)) --streams_;
  calls_.erase(call->number);
  call->changed.notify();
  return {};
}

Result<CallPtr> Link::open(agent::Type request, std::string payload) {
  if (ended_) return *ended_;
  const bool is_stream = gives_data(request) || takes_data(request);
  if (calls_.size() >= agent::kCallsMax || (is_stream && streams_ >= kStreamsMax))
    return Error(ErrorCode::resource_exhausted, "too many calls into this container at once");
  if (output_.size() > kOutputMax)
    return Error(ErrorCode::resource_exhausted, "the sandbox's agent does not take any more requests");
  if (payload.size() > agent::kFrameBytesMax)
    return Error(ErrorCode::too_large, "arguments and environment are larger than " +
                                           std::to_string(agent::kFrameBytesMax / 1024) + " KiB together");
  while (next_ == 0 || calls_.contains(next_)) ++next_;
  const auto call = std::make_shared<Call>(executor_, next_++, request);
  calls_.emplace(call->number, call);
  if (is_stream) ++streams_;
  queue(request, call->number, payload);
  return call;
}

Result<Link::Two> Link::open_two(agent::Type first, std::string first_payload, agent::Type second,
                                 std::string second_payload) {
  is_held_back_ = true;
  auto one = open(first, std::move(first_payload));
  auto other = one ? open(second, std::move(second_payload)) : one.error();
  is_held_back_ = false;
  if (!output_.empty()) events_.wants_to_send();
  if (!other) return other.error();
  return Two{*std::move(one), *std::move(other)};
}

std::size_t Link::send_data(const CallPtr& call, std::string_view bytes) {
  if (ended_ || call->is_over()) return 0;
  std::size_t sent = 0;
  const bool was_empty = output_.empty();
  is_held_back_ = true;
  while (sent < bytes.size() && call->may_send > 0 && output_.size() < kDataOutputMax) {
    const std::size_t size =
        std::min({bytes.size() - sent, static_cast<std::size_t>(call->may_send), agent::kDataBytesMax});
    queue(agent::Type::data, call->number, bytes.substr(sent, size));
    call->may_send -= size;
    sent += size;
  }
  is_held_back_ = false;
  if (was_empty && sent > 0) events_.wants_to_send();
  return sent;
}

void Link::send_eof(const CallPtr& call) {
  if (!ended_ && !call->is_over()) queue(agent::Type::eof, call->number, {});
}

void Link::return_credit(const CallPtr& call, std::size_t bytes) {
  call->unreturned += bytes;
  if (ended_ || call->is_over() || call->is_abandoned || call->unreturned < kReturnFrom) return;
  const auto granted = static_cast<std::uint32_t>(call->unreturned);
  call->unreturned = 0;
  call->may_receive += granted;
  queue(agent::Type::credit, call->number, agent::encode(agent::Credit{granted}));
}

void Link::abandon(const CallPtr& call) {
  if (ended_ || call->is_over() || call->is_abandoned) return;
  call->is_abandoned = true;
  call->pieces.clear();
  queue(agent::Type::cancel, call->number, {});
}

void Link::end(const Error& error) {
  if (ended_) return;
  ended_ = error;
  output_.clear();
  held_ = {};
  streams_ = 0;
  const auto calls = std::exchange(calls_, {});
  for (const auto& [number, call] : calls) {
    call->failure = error;
    call->changed.notify();
  }
}

std::string Link::take_output() { return std::exchange(output_, {}); }

void Link::output_written() {
  if (output_.size() >= kDataOutputMax) return;
  for (const auto& [number, call] : calls_) {
    if (takes_data(call->request)) call->changed.notify();
  }
}

void Link::queue(agent::Type type, std::uint32_t call, std::string_view payload) {
  const bool was_empty = output_.empty();
  const std::size_t size = output_.size() + agent::kHeaderBytes + payload.size();
  // Data is followed by more while the socket is busy: growing is not to copy all of it each time.
  if (size > output_.capacity() && output_.size() >= agent::kDataBytesMax)
    output_.reserve(std::max(size, kDataOutputMax + agent::kDataBytesMax));
  output_ += agent::encode_header(type, call, payload.size());
  output_ += payload;
  if (was_empty && !is_held_back_) events_.wants_to_send();
}

}  // namespace sandboxd::guestlink
