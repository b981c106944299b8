// The node API: requests of anybody, answers and events of any node.
#include "base/limits.hpp"
#include "codec/sbxlet.hpp"
#include "codec/sbxlet_tmpfs.hpp"
#include "codec/sbxlet_validate.hpp"
#include "fuzz.hpp"

namespace {

using namespace sandboxd;
namespace sbxlet = codec::sbxlet;

void create(std::string_view text) {
  const auto request = sbxlet::decode_create(text);
  if (!request) return;
  static_cast<void>(sbxlet::validate_resources(*request));
  if (!sbxlet::validate_create(*request)) return;  // only what is valid is sent on
  const auto again = sbxlet::decode_create(sbxlet::encode_create(*request));
  fuzz::must(again.has_value(), "a create that was sent on can be read");
  fuzz::must(sbxlet::validate_create(*again).has_value(), "and is still valid");
}

void status_batch(std::string_view text) {
  const auto batch = sbxlet::decode_status_batch(text);
  if (!batch) return;
  std::vector<std::string> written;
  for (const auto& item : batch->items) written.push_back(codec::write_json(sbxlet::status_object(item)));
  const std::vector<std::string_view> items(written.begin(), written.end());
  const auto again = sbxlet::decode_status_batch(sbxlet::encode_status_batch(items, batch->missing));
  fuzz::must(again.has_value() && again->items.size() == items.size(), "a batch can be read again");
}

void event(std::string_view name, std::string_view text) {
  const auto decoded = sbxlet::decode_event(name, text);
  if (!decoded || !*decoded) return;
  const sbxlet::WireEvent wire = sbxlet::encode_event(**decoded);
  fuzz::must(wire.name == name, "an event keeps its name");
  fuzz::must(sbxlet::decode_event(wire.name, wire.data).has_value(), "an event can be read again");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Input input(data, size);
  switch (input.choice % 9) {
    case 0: create(input.text); break;
    case 1: static_cast<void>(sbxlet::decode_node_status(input.text)); break;
    case 2: static_cast<void>(sbxlet::decode_status_ids(input.text)); break;
    case 3: status_batch(input.text); break;
    case 4: event("report", input.text); break;
    case 5: event("sandbox", input.text); break;
    case 6: event("gone", input.text); break;
    case 7:
      fuzz::must(sbxlet::decode_error(input.text).size() <= limits::kErrorTextMax, "an error's text is bounded");
      break;
    default: static_cast<void>(sbxlet::parse_tmpfs_options(input.text)); break;
  }
  return 0;
}
