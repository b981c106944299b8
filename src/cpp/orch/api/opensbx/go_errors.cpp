#include "orch/api/opensbx/go_errors.hpp"

#include <charconv>
#include <cmath>
#include <utility>

namespace sandboxd::orch::opensbx {
namespace {

using Kind = GoValue::Kind;

std::string_view kind_of(const GoValue& value) {
  switch (value.kind) {
    case Kind::null: return "null";
    case Kind::boolean: return "bool";
    case Kind::number: return "number";
    case Kind::string: return "string";
    case Kind::array: return "array";
    case Kind::object: return "object";
  }
  return "value";
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

template <class Number>
bool parse_whole(const std::string& text, Number& out) {
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, out);
  return parsed.ec == std::errc{} && parsed.ptr == end;
}

}  // namespace

void GoErrors::add(std::size_t at, std::string message) {
  if (!first_ || at < first_->at) first_ = Problem{at, std::move(message)};
}

Result<void> GoErrors::status() const {
  if (first_) return Error(ErrorCode::invalid_argument, first_->message);
  return {};
}

GoReader::GoReader(const GoValue& body, GoErrors& errors, std::string type)
    : value_(&body), errors_(&errors), type_(std::move(type)) {
  if (body.kind == Kind::object || body.kind == Kind::null) return;
  errors.add(body.at,
             "json: cannot unmarshal " + std::string(kind_of(body)) + " into Go value of type models." + type_);
}

bool GoReader::same_name(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

void GoReader::add(const GoValue& value, std::string_view what, std::string_view name, std::string_view go_type) const {
  errors_->add(value.at, "json: cannot unmarshal " + std::string(what) + " into Go struct field " + type_ + "." +
                             path_ + std::string(name) + " of type " + std::string(go_type));
}

void GoReader::misfit(const GoValue& value, std::string_view name, std::string_view go_type) const {
  add(value, kind_of(value), name, go_type);
}

void GoReader::misfit_number(const GoValue& value, std::string_view name, std::string_view go_type) const {
  add(value, "number " + value.text, name, go_type);
}

bool GoReader::is(const GoValue& value, Kind kind, std::string_view name, std::string_view go_type) const {
  if (value.kind == kind) return true;
  misfit(value, name, go_type);
  return false;
}

bool GoReader::has(std::string_view name) const {
  bool found = false;
  each(name, [&](const GoValue&) { found = true; });
  return found;
}

void GoReader::read(std::string_view name, std::string& out) const {
  each(name, [&](const GoValue& value) {
    if (is(value, Kind::string, name, "string")) out = value.text;
  });
}

void GoReader::read_integer(std::string_view name, std::string_view go_type, std::int64_t& out) const {
  each(name, [&](const GoValue& value) {
    if (!is(value, Kind::number, name, go_type)) return;
    if (!parse_whole(value.text, out)) misfit_number(value, name, go_type);
  });
}

void GoReader::read(std::string_view name, double& out) const {
  each(name, [&](const GoValue& value) {
    if (!is(value, Kind::number, name, "float64")) return;
    double number = 0;
    // What is too small for a double is zero in Go too.
    const char* end = value.text.data() + value.text.size();
    const auto parsed = std::from_chars(value.text.data(), end, number);
    if (parsed.ec == std::errc::result_out_of_range && value.text.find("e-") == std::string::npos &&
        value.text.find("E-") == std::string::npos) {
      return misfit_number(value, name, "float64");
    }
    out = number;
  });
}

void GoReader::read(std::string_view name, std::optional<std::vector<std::string>>& out) const {
  each(name, [&](const GoValue& value) {
    if (!is(value, Kind::array, name, "[]string")) return;
    out.emplace();
    for (const GoValue& item : value.items) {
      if (item.kind == Kind::null || is(item, Kind::string, name, "string")) out->push_back(item.text);
    }
  });
}

void GoReader::read(std::string_view name, std::map<std::string, std::string>& out) const {
  each(name, [&](const GoValue& value) {
    if (!is(value, Kind::object, name, "map[string]string")) return;
    for (std::size_t i = 0; i < value.names.size(); ++i) {
      const GoValue& item = value.items[i];
      if (item.kind == Kind::null || is(item, Kind::string, name, "string")) out[value.names[i]] = item.text;
    }
  });
}

Error required(std::string_view type, std::string_view field) {
  const std::string name(field);
  return {ErrorCode::invalid_argument, "Key: '" + std::string(type) + "." + name + "' Error:Field validation for '" +
                                           name + "' failed on the 'required' tag"};
}

}  // namespace sandboxd::orch::opensbx
