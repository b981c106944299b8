// What is kept on disk: a damaged record is an error, a whole one is the same after being written again.
#include "codec/cri_log.hpp"
#include "codec/record.hpp"
#include "fuzz.hpp"

#include <string>

namespace {

using namespace sandboxd;
namespace record = codec::record;

// Once decoded and encoded, a record is in its final form.
template <class Decode, class Encode>
void settle(std::string_view text, Decode decode, Encode encode) {
  const auto first = decode("id", text);
  if (!first) return;
  const std::string written = encode(*first);
  const auto second = decode("id", written);
  fuzz::must(second.has_value(), "a record that was written can be read");
  fuzz::must(encode(*second) == written, "and stays the same");
}

void cri_log(std::string_view text, std::size_t step) {
  codec::CriFormatter formatter("stdout");
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += step) {
    formatter.feed(text.substr(at, step), WallTime{0}, out);
    fuzz::must(formatter.waiting() <= codec::kCriPieceBytesMax, "what waits for a line end is bounded");
  }
  formatter.flush(WallTime{0}, out);
  fuzz::must(out.empty() || out.back() == '\n', "a log ends with a line end");
  codec::ContainerLines lines;
  lines.container = "app";
  lines.lines = codec::split_lines(text);
  const std::size_t count = lines.lines.size();
  fuzz::must(codec::merge_lines({lines}).size() == count, "no line is lost");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Input input(data, size);
  switch (input.choice % 10) {
    case 0: settle(input.text, record::decode_spec, record::encode_spec); break;
    case 1: settle(input.text, record::decode_sandbox, record::encode_sandbox); break;
    case 2: settle(input.text, record::decode_node, record::encode_node); break;
    case 3: settle(input.text, record::decode_node_sandbox, record::encode_node_sandbox); break;
    case 4: settle(input.text, record::decode_ports, record::encode_ports); break;
    case 5: settle(input.text, record::decode_containers, record::encode_containers); break;
    case 6: settle(input.text, record::decode_texts, record::encode_texts); break;
    case 7: settle(input.text, record::decode_labels, record::encode_labels); break;
    case 8: settle(input.text, record::decode_resources, record::encode_resources); break;
    default: cri_log(input.text, input.choice % 64 + 1); break;
  }
  return 0;
}
