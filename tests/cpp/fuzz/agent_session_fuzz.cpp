// What a node sends to the in-sandbox agent: any bytes in any pieces, with calls that send, take, and end at odd times.
#include "agent/session.hpp"
#include "fuzz.hpp"

#include <map>
#include <memory>
#include <string>

namespace {

using namespace sandboxd;
using namespace sandboxd::agent;

// Sends as long as it may, takes what comes, ends after some turns.
class BusyCall : public Call {
 public:
  BusyCall(Channel& channel, unsigned turns, bool takes) : channel_(channel), turns_(turns), takes_(takes) {}
  ~BusyCall() override { channel_.wake(); }  // as a command's reader may
  [[nodiscard]] bool takes_data() const override { return takes_; }
  void on_data(std::string_view bytes) override {
    channel_.consumed(bytes.size());
    if (bytes.size() > 100) channel_.fail({EINVAL, "enough"});
  }
  void on_eof() override { channel_.reply(Empty{}); }
  bool step(Channel& channel) override {
    const std::size_t room = channel.room();
    fuzz::must(room <= kDataBytesMax, "no more than a frame at once");
    if (room > 0)
      channel.send(std::string(std::min<std::size_t>(room, 50'000), 'x'), std::min<std::size_t>(room, 50'000));
    if (turns_-- == 0) channel.reply(Empty{});
    return room > 0;
  }

 private:
  Channel& channel_;
  unsigned turns_;
  bool takes_;
};

template <class T>
bool reads_the_same(std::string_view payload) {
  const auto message = decode<T>(payload);
  if (message) fuzz::must(encode(*message) == payload, "a message that was read is written the same");
  return message.has_value();
}

class MadeUp : public Requests {
 public:
  [[nodiscard]] bool open(Type type, std::string_view payload, Channel& channel) override {
    bool is_good = false;
    switch (type) {
      case Type::start: is_good = reads_the_same<Start>(payload); break;
      case Type::attach: is_good = reads_the_same<Attach>(payload); break;
      case Type::signal: is_good = reads_the_same<Signal>(payload); break;
      case Type::write: is_good = reads_the_same<Write>(payload); break;
      case Type::read: is_good = reads_the_same<Read>(payload); break;
      case Type::list: is_good = reads_the_same<Path>(payload); break;
      case Type::ping: channel.reply(Empty{}); return payload.empty();
      case Type::processes: channel.fail({EINVAL, std::string(payload)}); return true;
      case Type::pack:
      case Type::unpack: is_good = true; break;  // calls without a message to hit, so that there are many
      default: return false;
    }
    const unsigned turns = payload.empty() ? 3 : static_cast<unsigned char>(payload.front()) % 8U;
    channel.set_call(std::make_unique<BusyCall>(channel, turns, type == Type::unpack || type == Type::write));
    return is_good;
  }
};

// What the agent would send must obey the rules of the other side.
void check_outbox(std::string_view bytes, std::map<std::uint32_t, std::uint64_t>& sent) {
  while (!bytes.empty()) {
    const auto header = decode_header(bytes);
    fuzz::must(header.has_value() && bytes.size() >= kHeaderBytes + header->length, "what is sent is whole frames");
    if (header->type == Type::data) sent[header->call] += header->length;
    if (header->type == Type::reply || header->type == Type::failed) {
      fuzz::must(sent[header->call] <= kCreditStart + (std::uint64_t{1} << 41U), "no more data than was granted");
      sent.erase(header->call);
    }
    bytes.remove_prefix(kHeaderBytes + header->length);
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Input input(data, size);
  MadeUp requests;
  Session session(requests);
  std::map<std::uint32_t, std::uint64_t> sent;
  const std::size_t piece = 1 + input.choice % 200;
  for (std::size_t at = 0; at < input.text.size(); at += piece) {
    if (!session.feed(input.text.substr(at, piece))) return 0;
    fuzz::must(session.open_calls() <= kCallsMax, "no more calls than allowed");
    static_cast<void>(session.step());
    if (input.choice % 3 == 0) continue;  // a node that does not read
    check_outbox(session.outbox(), sent);
    session.sent(session.outbox().size());
  }
  for (int turns = 0; turns < 50 && session.step(); ++turns) {
    session.sent(session.outbox().size());
  }
  return 0;
}
