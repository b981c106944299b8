// JSON in and out: parsing with limits, field readers that know where they are, and the wire form of what we write.
//
// Decoding is written by hand, one read per field, because generated decoders cannot say which field was wrong. A
// Reader stands on one JSON value; it never throws. The first problem is kept in a ReadErrors with the full path of the
// field ("containers[1].resource.cpu: a string is expected, not a number"), everything after it is skipped, and the
// caller asks once at the end:
//
//   SBX_TRY(value, read_json(body, {.first_value_only = true}));
//   ReadErrors errors({.ignore_case = true});
//   const Reader in(value, errors);
//   in.require("id", request.id);
//   in.each("ports", [&](const Reader& port) { port.read({"hostPort", "host_port"}, entry.host_port); ... });
//   SBX_CHECK(errors.status());
//
// Unknown fields are ignored. `null` counts as absent everywhere. Pure functions and values: safe on every thread.
#pragma once

#include "base/error.hpp"
#include "base/result.hpp"

#include <boost/json.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::codec {

namespace json = boost::json;

struct ParseOptions {
  bool first_value_only = false;      // bytes after the first complete value are ignored
  bool null_is_empty_object = false;  // the text `null` reads as `{}`
  std::size_t depth_max = 32;         // also guards the stack
  ErrorCode code = ErrorCode::invalid_argument;
};

// The value of `text`. Duplicate keys: the last wins. Text must be valid UTF-8. Errors: options.code, saying at which
// byte.
[[nodiscard]] Result<json::value> read_json(std::string_view text, ParseOptions options = {});

// Compact, in the form of the original systems: `<`, `>`, `&`, U+2028 and U+2029 as \uXXXX, invalid UTF-8 replaced by
// U+FFFD, members in insertion order. Doubles that are not finite become null.
[[nodiscard]] std::string write_json(const json::value& value);
// The same behind `out`: a long list is written item by item, so that its document never stands in memory as a whole.
void append_json(const json::value& value, std::string& out);
// `text` with every invalid UTF-8 sequence replaced by U+FFFD, one for each bad byte.
[[nodiscard]] std::string valid_utf8(std::string_view text);
// At most `bytes_max` bytes of that, without half a character at the end.
[[nodiscard]] std::string valid_utf8(std::string_view text, std::size_t bytes_max);

struct ReadOptions {
  bool ignore_case = false;  // match field names as Go does: letter case does not matter, underscores do
  ErrorCode code = ErrorCode::invalid_argument;
};

// Where the readers of one document put the first problem. Outlives its readers.
class ReadErrors {
 public:
  explicit ReadErrors(ReadOptions options = {}) : options_(options) {}
  [[nodiscard]] Result<void> status() const;
  [[nodiscard]] bool ok() const { return !first_; }
  [[nodiscard]] const ReadOptions& options() const { return options_; }
  void add(std::string path, std::string_view message);

 private:
  ReadOptions options_;
  std::optional<Error> first_;
};

// The name of a field and, where two spellings are accepted, the second one.
struct FieldName {
  FieldName(const char* name) : first(name) {}  // NOLINT(google-explicit-constructor): field names are written bare
  FieldName(const char* name, const char* other) : first(name), second(other) {}
  std::string_view first;
  std::string_view second;
};

class Reader {
 public:
  // The document itself. Both arguments must outlive the reader.
  Reader(const json::value& document, ReadErrors& errors) : errors_(errors), value_(&document) {}

  // Sets `out` when the field is there; leaves it alone otherwise.
  template <class T>
  void read(FieldName name, T& out) const {
    const json::value* found = find(name);
    if (found) Reader(*this, name.first, *found).take(out);
  }
  // The same; an absent field is an error.
  template <class T>
  void require(FieldName name, T& out) const {
    const json::value* found = find(name);
    if (!found) return missing(name);
    Reader(*this, name.first, *found).take(out);
  }
  // The field's text through `parse` (text -> std::optional<T>); nullopt is an error that quotes the text.
  template <class T, class Parse>
  void read_as(FieldName name, T& out, Parse parse) const {
    std::string text;
    const json::value* found = find(name);
    if (!found) return;
    const Reader field(*this, name.first, *found);
    field.take(text);
    if (!errors_.ok()) return;
    if (auto parsed = parse(std::string_view(text))) {
      out = std::move(*parsed);
    } else {
      field.fail("unknown value \"" + text + "\"");
    }
  }
  // Calls `visit(reader)` for a nested object, if there is one.
  template <class Visit>
  void object(FieldName name, Visit visit) const {
    const json::value* found = find(name);
    if (found) visit(Reader(*this, name.first, *found));
  }
  // Calls `visit(reader)` for every element of an array, if there is one.
  template <class Visit>
  void each(FieldName name, Visit visit) const {
    const json::value* found = find(name);
    if (!found) return;
    const Reader list(*this, name.first, *found);
    const json::array* items = list.as_array();
    if (!items) return;
    for (std::size_t i = 0; i < items->size() && errors_.ok(); ++i) visit(Reader(list, i, (*items)[i]));
  }
  // Calls `visit(key, reader)` for every member of an object, if there is one.
  template <class Visit>
  void each_member(FieldName name, Visit visit) const {
    const json::value* found = find(name);
    if (!found) return;
    const Reader map(*this, name.first, *found);
    const json::object* members = map.as_object();
    if (!members) return;
    for (const auto& member : *members) {
      if (!errors_.ok()) return;
      visit(std::string_view(member.key()), Reader(map, std::string_view(member.key()), member.value()));
    }
  }

  // The field, or nullptr when it is absent, null, or an earlier problem was met.
  [[nodiscard]] const json::value* find(FieldName name) const;
  [[nodiscard]] bool has(FieldName name) const { return find(name) != nullptr; }

  // The value itself, converted. `null` leaves `out` alone. Integers must be written as integers: no fraction, no
  // exponent. Doubles must be finite.
  void take(bool& out) const;
  void take(int& out) const;
  void take(std::int64_t& out) const;
  void take(std::uint32_t& out) const;
  void take(double& out) const;
  void take(std::string& out) const;
  void take(std::vector<std::string>& out) const;
  void take(std::map<std::string, std::string>& out) const;
  template <class T>
  void take(std::optional<T>& out) const {
    if (value_->is_null()) return;
    T inner{};
    take(inner);
    if (errors_.ok()) out = std::move(inner);
  }

  // Records a problem of this value.
  void fail(std::string_view message) const;
  // "containers[1].image"; empty for the document itself.
  [[nodiscard]] std::string path() const;
  [[nodiscard]] const json::value& value() const { return *value_; }

 private:
  // Readers of fields live on the stack below their parent's, so a path costs nothing until it is needed.
  Reader(const Reader& parent, std::string_view name, const json::value& value)
      : errors_(parent.errors_), value_(&value), parent_(&parent), name_(name) {}
  Reader(const Reader& parent, std::size_t index, const json::value& value)
      : errors_(parent.errors_), value_(&value), parent_(&parent), index_(index) {}

  [[nodiscard]] const json::object* as_object() const;
  [[nodiscard]] const json::array* as_array() const;
  void missing(FieldName name) const;
  void expected(std::string_view what) const;
  [[nodiscard]] bool take_integer(std::int64_t low, std::int64_t high, std::int64_t& out) const;

  ReadErrors& errors_;
  const json::value* value_;
  const Reader* parent_ = nullptr;
  std::string_view name_;
  std::size_t index_ = 0;
};

// For members that are left out when empty.
void put_if(json::object& object, std::string_view name, const std::string& text);
void put_if(json::object& object, std::string_view name, const std::vector<std::string>& list);
void put_if(json::object& object, std::string_view name, const std::map<std::string, std::string>& map);
void put_if_true(json::object& object, std::string_view name, bool fact);
[[nodiscard]] json::array to_array(const std::vector<std::string>& list);
[[nodiscard]] json::object to_object(const std::map<std::string, std::string>& map);

}  // namespace sandboxd::codec
