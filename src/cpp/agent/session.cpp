#include "agent/session.hpp"

#include <algorithm>

namespace sandboxd::agent {

void Call::on_cancel(Channel& channel) { channel.fail(problem(ECANCELED, "call")); }

std::size_t Channel::room() {
  if (is_answered_) return 0;
  if (session_.outbox().size() >= Session::kOutboxBytes) {
    if (!std::exchange(is_starved_, true)) session_.starved_.push_back(number_);
    return 0;
  }
  return static_cast<std::size_t>(std::min<std::uint64_t>(may_send_, kDataBytesMax));
}

void Channel::send(std::string_view payload, std::size_t charge) { send({}, payload, charge); }

void Channel::send(std::string_view head, std::string_view payload, std::size_t charge) {
  if (is_answered_) return;
  may_send_ -= std::min<std::uint64_t>(charge, may_send_);
  session_.put(Type::data, number_, head, payload);
}

void Channel::send_eof() { session_.put(Type::eof, number_); }
void Channel::send_cancel() { session_.put(Type::cancel, number_); }

void Channel::consumed(std::size_t bytes) {
  to_grant_ += bytes;
  if (to_grant_ < kCreditStart / 4 || is_at_eof_ || is_answered_) return;
  may_come_ += to_grant_;
  session_.put(Type::credit, number_, encode(Credit{static_cast<std::uint32_t>(to_grant_)}));
  to_grant_ = 0;
}

void Channel::wake() {
  if (is_awake_ || is_answered_) return;
  is_awake_ = true;
  session_.awake_.push_back(number_);
}

void Channel::answer(Type type, std::string_view payload) {
  if (is_answered_) return;
  session_.put(type, number_, payload);
  is_answered_ = true;
  session_.answered_.push_back(number_);
}

Session::~Session() {
  // Calls reach back for their channels and for this while they go.
  for (auto& [number, channel] : channels_) channel->call_.reset();
}

void Session::put(Type type, std::uint32_t call, std::string_view head, std::string_view payload) {
  out_.append(encode_header(type, call, head.size() + payload.size())).append(head).append(payload);
}

void Session::sent(std::size_t bytes) {
  out_offset_ += bytes;
  if (outbox().size() < kOutboxBytes) {
    for (const std::uint32_t number : std::exchange(starved_, {})) {
      const auto found = channels_.find(number);
      if (found == channels_.end()) continue;
      found->second->is_starved_ = false;
      found->second->wake();
    }
  }
  if (out_offset_ < out_.size() && out_offset_ < kOutboxBytes) return;
  out_.erase(0, out_offset_);
  out_offset_ = 0;
}

bool Session::feed(std::string_view bytes) {
  drop_answered();
  in_.append(bytes);
  std::string_view rest = in_;
  while (rest.size() >= kHeaderBytes) {
    const auto header = decode_header(rest);
    if (!header) return false;
    if (rest.size() < kHeaderBytes + header->length) break;
    if (!take(*header, rest.substr(kHeaderBytes, header->length))) return false;
    drop_answered();
    rest.remove_prefix(kHeaderBytes + header->length);
  }
  in_.erase(0, in_.size() - rest.size());
  return true;
}

bool Session::take(const Header& header, std::string_view payload) {
  const auto found = channels_.find(header.call);
  Channel* const channel = found == channels_.end() ? nullptr : found->second.get();
  switch (header.type) {
    case Type::data: return channel == nullptr || take_data(*channel, payload);
    case Type::eof: return channel == nullptr || take_eof(*channel, payload);
    case Type::credit: return channel == nullptr || take_credit(*channel, payload);
    case Type::cancel:
      if (!payload.empty()) return false;
      if (channel != nullptr) channel->call_->on_cancel(*channel);
      return true;
    default: return take_request(header, payload);
  }
}

bool Session::take_data(Channel& channel, std::string_view payload) {
  if (!channel.call_->takes_data() || channel.is_at_eof_ || payload.size() > channel.may_come_) return false;
  channel.may_come_ -= payload.size();
  channel.call_->on_data(payload);
  channel.wake();
  return true;
}

bool Session::take_eof(Channel& channel, std::string_view payload) {
  if (!payload.empty() || channel.is_at_eof_ || !channel.call_->takes_data()) return false;
  channel.is_at_eof_ = true;
  channel.call_->on_eof();
  channel.wake();
  return true;
}

bool Session::take_credit(Channel& channel, std::string_view payload) {
  const auto credit = decode<Credit>(payload);
  // More than a terabyte was never asked for in earnest.
  if (!credit || channel.may_send_ + credit->bytes > (std::uint64_t{1} << 40U)) return false;
  channel.may_send_ += credit->bytes;
  channel.wake();
  return true;
}

bool Session::take_request(const Header& header, std::string_view payload) {
  if (header.call == 0 || channels_.count(header.call) != 0 || channels_.size() >= kCallsMax) return false;
  auto& channel = channels_[header.call];
  channel = std::make_unique<Channel>(*this, header.call);
  if (!requests_.open(header.type, payload, *channel)) return false;
  if (!channel->is_answered_ && !channel->call_) return false;
  channel->wake();
  return true;
}

bool Session::step() {
  drop_answered();
  // Those that wake meanwhile have their turn in the next round.
  for (std::size_t count = awake_.size(); count > 0; --count) {
    const std::uint32_t number = awake_.front();
    awake_.pop_front();
    const auto found = channels_.find(number);
    if (found == channels_.end()) continue;
    Channel& channel = *found->second;
    channel.is_awake_ = false;
    if (!channel.is_answered_ && channel.call_ && channel.call_->step(channel)) channel.wake();
    drop_answered();
  }
  return !awake_.empty();
}

void Session::drop_answered() {
  while (!answered_.empty()) {
    const auto found = channels_.find(answered_.front());
    answered_.pop_front();
    if (found == channels_.end()) continue;
    // The call may reach for its channel while it goes.
    found->second->call_.reset();
    channels_.erase(found);
  }
}

}  // namespace sandboxd::agent
