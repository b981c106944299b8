// What a hostile agent sends: the node's end of the protocol takes it or ends the connection, within its bounds,
// however the bytes are cut.
#include "fuzz.hpp"
#include "guestlink/link.hpp"

#include <boost/asio/io_context.hpp>

#include <string>
#include <vector>

namespace {

using namespace sandboxd;
using agent::Type;

struct Outcome {
  bool is_taken = true;
  std::size_t exits = 0;
  std::vector<std::size_t> pieces;
  std::vector<bool> answered;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome feed(std::string_view bytes, std::size_t step) {
  boost::asio::io_context context;
  Outcome outcome;
  guestlink::Link link(context.get_executor(), {.hello = [](const agent::Hello&) {},
                                                .exited = [&outcome](const agent::Exited&) { ++outcome.exits; },
                                                .wants_to_send = [] {}});
  // One call of each kind that differs, numbered from 1.
  std::vector<guestlink::CallPtr> calls;
  for (const Type type : {Type::attach, Type::read, Type::write, Type::stat, Type::list}) {
    auto call = link.open(type, "");
    fuzz::must(call.has_value(), "a call opens");
    calls.push_back(*call);
  }
  for (std::size_t at = 0; at < bytes.size() && outcome.is_taken; at += step) {
    outcome.is_taken = link.feed(bytes.substr(at, step)).has_value();
    fuzz::must(link.held_bytes() <= agent::kHeaderBytes + agent::kFrameBytesMax + step, "a frame is held at most");
  }
  for (const auto& call : calls) {
    fuzz::must(call->pieces.size() <= guestlink::kPiecesMax, "pieces are bounded");
    std::size_t held = 0;
    while (auto piece = call->pop()) held += piece->bytes.size();
    fuzz::must(held <= agent::kCreditStart, "data is bounded by what was granted");
    outcome.pieces.push_back(held);
    outcome.answered.push_back(call->is_over());
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string hello = agent::encode_frame(Type::hello, 0, agent::encode(agent::Hello{}));
  const fuzz::Input input(data, size);
  const std::string bytes = (input.choice & 1U) != 0 ? std::string(input.text) : hello + std::string(input.text);
  fuzz::must(feed(bytes, bytes.size() + 1) == feed(bytes, 7), "the cut does not matter");
  return 0;
}
