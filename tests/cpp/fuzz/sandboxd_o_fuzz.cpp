// The orchestrator's request bodies, and what its answers make of them.
#include "fuzz.hpp"
#include "orch/api/sandboxd_o/wire.hpp"

#include <string>

namespace {

using namespace sandboxd;
namespace dialect = orch::sandboxd_o;

void create(std::string_view text) {
  auto body = dialect::decode_create(text);
  if (!body) return;
  const bool is_valid = dialect::validate_create(*body).has_value();
  model::Sandbox sandbox;
  sandbox.id = SandboxId(body->id);
  sandbox.spec = std::move(body->spec);
  const std::string answer = codec::write_json(dialect::sandbox_object(sandbox));
  // A client may send what it was answered: the same spec, as valid as before.
  const auto again = dialect::decode_create(answer);
  fuzz::must(again.has_value(), "an answer can be sent back");
  if (is_valid) fuzz::must(dialect::validate_create(*again).has_value(), "and is as valid as before");
}

void node(std::string_view text) {
  const auto body = dialect::decode_node(text);
  if (!body) return;
  static_cast<void>(model::validate_address(body->address));
  model::Node record;
  record.id = NodeId(body->id);
  record.address = body->address;
  record.labels = body->labels;
  const std::string answer = codec::write_json(dialect::node_object(record));
  fuzz::must(codec::read_json(answer).has_value(), "an answer is JSON");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Input input(data, size);
  if (input.choice % 2 == 0) {
    create(input.text);
  } else {
    node(input.text);
  }
  return 0;
}
