// The JSON of everybody: what is read can be written, and reads the same again.
#include "codec/json.hpp"
#include "fuzz.hpp"

#include <string>

namespace {

using namespace sandboxd;

void read_fields(const codec::json::value& document) {
  codec::ReadErrors errors({.ignore_case = true});
  const codec::Reader in(document, errors);
  bool fact = false;
  int small = 0;
  std::int64_t large = 0;
  double number = 0;
  std::string text;
  std::vector<std::string> list;
  std::map<std::string, std::string> map;
  in.read("b", fact);
  in.read("i", small);
  in.read("l", large);
  in.read("d", number);
  in.read("s", text);
  in.read("a", list);
  in.read("m", map);
  in.each("o", [&](const codec::Reader& item) { item.require("s", text); });
  static_cast<void>(errors.status());
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Input input(data, size);
  codec::ParseOptions options;
  options.first_value_only = (input.choice & 1U) != 0;
  options.null_is_empty_object = (input.choice & 2U) != 0;
  const auto document = codec::read_json(input.text, options);
  const std::string repaired = codec::valid_utf8(input.text);
  fuzz::must(codec::valid_utf8(repaired) == repaired, "repaired text needs no repair");
  if (!document) {
    fuzz::must(!document.error().message().empty(), "an error says something");
    return 0;
  }
  read_fields(*document);
  const std::string text = codec::write_json(*document);
  const auto again = codec::read_json(text);
  fuzz::must(again.has_value(), "what was written can be read");
  fuzz::must(codec::write_json(*again) == text, "and is the same");
  return 0;
}
