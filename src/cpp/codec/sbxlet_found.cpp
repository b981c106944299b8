#include "codec/sbxlet_found.hpp"

#include "codec/life_mark.hpp"
#include "codec/sbxlet_parts.hpp"

namespace sandboxd::codec::sbxlet {
namespace {

model::NodeSandboxStatus read_found(const Reader& in) {
  model::NodeSandboxStatus out;
  std::string id;
  in.require("id", id);
  out.id = SandboxId(std::move(id));
  in.read_as("phase", out.phase, model::parse_node_phase);
  in.read("ip", out.ip);
  in.read("error", out.error);
  in.each("volumes", [&](const Reader& volume) {
    std::string name;
    volume.read("name", name);
    if (std::string uid = life_of(name); !uid.empty()) out.uid = std::move(uid);
  });
  return out;
}

}  // namespace

Result<void> decode_ok(std::string_view body, std::string_view what) {
  const auto document = read_json(body, kAnswer);
  ReadErrors errors(kAnswerFields);
  bool ok = false;
  if (document) Reader(*document, errors).read("ok", ok);
  if (!ok || !errors.ok()) return Error(ErrorCode::protocol_error, std::string(what) + " not ok");
  return {};
}

Result<model::NodeSandboxStatus> decode_found(std::string_view body) {
  SBX_TRY(document, read_json(body, kAnswer));
  ReadErrors errors(kAnswerFields);
  const Reader in(document, errors);
  model::NodeSandboxStatus out;
  if (!in.has("sandbox")) in.fail("the node's answer has no \"sandbox\"");
  in.object("sandbox", [&](const Reader& sandbox) { out = read_found(sandbox); });
  SBX_CHECK(errors.status());
  return out;
}

Result<FoundPage> decode_found_page(std::string_view body) {
  SBX_TRY(document, read_json(body, kAnswer));
  ReadErrors errors(kAnswerFields);
  const Reader in(document, errors);
  FoundPage out;
  in.each("items", [&](const Reader& item) { out.items.push_back(read_found(item)); });
  in.read("next_cursor", out.next_cursor);
  SBX_CHECK(errors.status());
  return out;
}

}  // namespace sandboxd::codec::sbxlet
