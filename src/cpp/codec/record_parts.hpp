// What the record codecs share. Internal to codec/record*.cpp.
#pragma once

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "codec/json.hpp"
#include "codec/record.hpp"
#include "model/spec.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::codec::record {

// Room that an object gets at once: growing member by member moves what is there again and again.
inline constexpr std::size_t kMembers = 8;

[[nodiscard]] json::object spec_object(const model::SandboxSpec& spec);
void read_spec(const Reader& in, model::SandboxSpec& out);

[[nodiscard]] inline json::object versioned() {
  json::object out;
  out["v"] = kVersion;
  return out;
}

inline void put_number(json::object& out, std::string_view name, std::int64_t value) {
  if (value != 0) out[name] = value;
}

inline void put_time(json::object& out, std::string_view name, std::optional<WallTime> at) {
  if (at) out[name] = at->ns;
}

inline void read_time(const Reader& in, FieldName name, WallTime& out) { in.read(name, out.ns); }

inline void read_time(const Reader& in, FieldName name, std::optional<WallTime>& out) {
  if (!in.has(name)) return;
  WallTime at;
  in.read(name, at.ns);
  out = at;
}

template <class Tag>
void read_id(const Reader& in, FieldName name, Id<Tag>& out) {
  std::string text;
  in.require(name, text);
  out = Id<Tag>(std::move(text));
}

[[nodiscard]] inline Error in_record(const Error& error, std::string_view kind, std::string_view id) {
  return error.with_context("record of " + std::string(kind) + " " + std::string(id));
}

// `text` through `read(Reader, T&)`.
template <class T, class Read>
Result<T> decode_text(std::string_view kind, std::string_view id, std::string_view text, Read read) {
  const auto document = read_json(text, {.code = ErrorCode::storage_failed});
  if (!document) return in_record(document.error(), kind, id);
  ReadErrors errors({.code = ErrorCode::storage_failed});
  T out{};
  read(Reader(*document, errors), out);
  if (const auto status = errors.status(); !status) return in_record(status.error(), kind, id);
  return out;
}

// The same with a version that this program must know.
template <class T, class Read>
Result<T> decode_versioned(std::string_view kind, std::string_view id, std::string_view text, Read read) {
  return decode_text<T>(kind, id, text, [&](const Reader& in, T& out) {
    int version = 0;
    in.require("v", version);
    if (in.has("v") && version != kVersion) {
      return in.fail("has version " + std::to_string(version) + ", this program reads version " +
                     std::to_string(kVersion) + ": use the program that wrote it, or a newer one");
    }
    read(in, out);
  });
}

// A plain array; `field` stands in for its name in errors.
template <class T, class Read>
Result<std::vector<T>> decode_list(std::string_view kind, std::string_view id, const char* field, std::string_view text,
                                   Read read) {
  if (text == "[]") return std::vector<T>();  // most lists of most records
  const auto document = read_json(text, {.code = ErrorCode::storage_failed});
  if (!document) return in_record(document.error().with_context(field), kind, id);
  const json::value wrapped = json::object({{field, *document}});
  ReadErrors errors({.code = ErrorCode::storage_failed});
  std::vector<T> out;
  Reader(wrapped, errors).each(field, [&](const Reader& item) { read(item, out); });
  if (const auto status = errors.status(); !status) return in_record(status.error(), kind, id);
  return out;
}

}  // namespace sandboxd::codec::record
