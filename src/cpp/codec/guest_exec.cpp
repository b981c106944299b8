// A command that is run to its end, with what it reads.
#include "codec/base64.hpp"
#include "codec/guest_wire.hpp"

#include <utility>

namespace sandboxd::codec::guest {
namespace {

Error wrong(std::string text) { return {ErrorCode::invalid_argument, std::move(text)}; }

}  // namespace

Result<ExecRequest> decode_exec(std::string_view body) {
  ExecRequest out;
  SBX_TRY(spec, decode_spec(body));
  out.spec = std::move(spec);
  SBX_TRY(value, read_json(body));
  std::string text;
  std::string encoded;
  ReadErrors errors;
  const Reader in(value, errors);
  in.read("input", text);
  in.read("input_base64", encoded);
  SBX_CHECK(errors.status());
  const json::object* members = value.if_object();
  const bool has_text = members != nullptr && members->contains("input");
  const bool has_encoded = members != nullptr && members->contains("input_base64");
  if (has_text && has_encoded) return wrong("input: give it as text or as base64, not both");
  if (has_text) out.input = std::move(text);
  if (has_encoded) {
    out.input = decode_base64(encoded);
    if (!out.input) return wrong("input_base64: this is no base64 with padding (RFC 4648)");
  }
  if (out.input && out.spec.terminal) return wrong("input: a command with a terminal is given input by attaching");
  if (out.input) out.spec.has_stdin = true;
  return out;
}

}  // namespace sandboxd::codec::guest
