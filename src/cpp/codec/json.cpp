#include "codec/json.hpp"

#include <cmath>
#include <limits>

namespace sandboxd::codec {
namespace {

constexpr std::size_t kScratchBytes = 2048;

std::string_view kind_of(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null: return "null";
    case json::kind::bool_: return "a boolean";
    case json::kind::int64:
    case json::kind::uint64:
    case json::kind::double_: return "a number";
    case json::kind::string: return "a string";
    case json::kind::array: return "an array";
    case json::kind::object: return "an object";
  }
  return "something else";
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_name(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

// The last member whose name fits, as a decoder that walks the document would leave it.
const json::value* last_match(const json::object& object, std::string_view name) {
  const json::value* found = nullptr;
  for (const auto& member : object) {
    if (same_name(member.key(), name)) found = &member.value();
  }
  return found;
}

}  // namespace

Result<json::value> read_json(std::string_view text, ParseOptions options) {
  const auto malformed = [&](std::size_t at, const std::string& why) {
    return Error(options.code, "malformed JSON at byte " + std::to_string(at) + ": " + why);
  };
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return Error(options.code, "malformed JSON: the text is empty, an object is expected");
  }
  json::parse_options syntax;
  syntax.max_depth = options.depth_max;
  syntax.numbers = json::number_precision::precise;  // else a number that is read and written drifts
  unsigned char scratch[kScratchBytes];              // for the parser's own work; what is larger goes to the heap
  json::stream_parser parser({}, syntax, scratch);
  // One piece of memory for the whole document, which goes as a whole.
  parser.reset(json::make_shared_resource<json::monotonic_resource>());
  boost::system::error_code failure;
  std::size_t used = parser.write_some(text, failure);
  if (!failure && !parser.done()) parser.finish(failure);  // a number at the end of the text is complete only now
  if (failure == json::error::incomplete) return malformed(text.size(), "unexpected end");
  if (failure == json::error::too_deep) {
    return malformed(used, "nested deeper than " + std::to_string(options.depth_max) + " levels");
  }
  if (failure) return malformed(used, failure.message());
  if (!options.first_value_only && used < text.size()) return malformed(used, "extra bytes after the value");
  json::value value = parser.release();
  if (options.null_is_empty_object && value.is_null()) value = json::object();
  return value;
}

Result<void> ReadErrors::status() const {
  if (first_) return *first_;
  return {};
}

void ReadErrors::add(std::string path, std::string_view message) {
  if (first_) return;
  first_ = Error(options_.code, path.empty() ? std::string(message) : std::move(path) + ": " + std::string(message));
}

const json::value* Reader::find(FieldName name) const {
  if (!errors_.ok()) return nullptr;
  const json::object* object = as_object();
  if (!object) return nullptr;
  const auto look_up = [&](std::string_view wanted) -> const json::value* {
    if (wanted.empty()) return nullptr;
    const json::value* found =
        errors_.options().ignore_case ? last_match(*object, wanted) : object->if_contains(wanted);
    return found && found->is_null() ? nullptr : found;
  };
  const json::value* found = look_up(name.first);
  return found ? found : look_up(name.second);
}

const json::object* Reader::as_object() const {
  const json::object* object = value_->if_object();
  if (!object) expected("an object");
  return object;
}

const json::array* Reader::as_array() const {
  const json::array* array = value_->if_array();
  if (!array) expected("an array");
  return array;
}

std::string Reader::path() const {
  if (!parent_) return {};
  std::string above = parent_->path();
  if (name_.empty()) return above + "[" + std::to_string(index_) + "]";
  if (!above.empty()) above += '.';
  return above.append(name_);
}

void Reader::fail(std::string_view message) const { errors_.add(path(), message); }

void Reader::missing(FieldName name) const {
  if (errors_.ok()) {
    const std::string above = path();
    errors_.add((above.empty() ? std::string() : above + ".") + std::string(name.first), "is required");
  }
}

void Reader::expected(std::string_view what) const {
  fail(std::string(what) + " is expected, not " + std::string(kind_of(*value_)));
}

void Reader::take(bool& out) const {
  if (value_->is_null()) return;
  if (const bool* fact = value_->if_bool()) {
    out = *fact;
  } else {
    expected("a boolean");
  }
}

bool Reader::take_integer(std::int64_t low, std::int64_t high, std::int64_t& out) const {
  if (value_->is_null()) return false;
  if (value_->is_double()) {
    fail("an integer is expected, without fraction or exponent");
    return false;
  }
  if (value_->is_int64() && value_->get_int64() >= low && value_->get_int64() <= high) {
    out = value_->get_int64();
    return true;
  }
  if (value_->is_int64() || value_->is_uint64()) {
    fail("must be between " + std::to_string(low) + " and " + std::to_string(high));
  } else {
    expected("an integer");
  }
  return false;
}

void Reader::take(int& out) const {
  std::int64_t wide = 0;
  if (take_integer(std::numeric_limits<int>::min(), std::numeric_limits<int>::max(), wide)) {
    out = static_cast<int>(wide);
  }
}

void Reader::take(std::int64_t& out) const {
  std::int64_t wide = 0;
  if (take_integer(std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max(), wide)) {
    out = wide;
  }
}

void Reader::take(std::uint32_t& out) const {
  std::int64_t wide = 0;
  if (take_integer(0, std::numeric_limits<std::uint32_t>::max(), wide)) out = static_cast<std::uint32_t>(wide);
}

void Reader::take(double& out) const {
  if (value_->is_null()) return;
  if (!value_->is_number()) return expected("a number");
  const double number = value_->to_number<double>();
  if (!std::isfinite(number)) return fail("the number is out of range");  // 1e400 parses as infinity
  out = number;
}

void Reader::take(std::string& out) const {
  if (value_->is_null()) return;
  if (const json::string* text = value_->if_string()) {
    out.assign(text->data(), text->size());
  } else {
    expected("a string");
  }
}

void Reader::take(std::vector<std::string>& out) const {
  if (value_->is_null()) return;
  const json::array* items = as_array();
  if (!items) return;
  std::vector<std::string> texts(items->size());
  for (std::size_t i = 0; i < items->size() && errors_.ok(); ++i) Reader(*this, i, (*items)[i]).take(texts[i]);
  if (errors_.ok()) out = std::move(texts);
}

void Reader::take(std::map<std::string, std::string>& out) const {
  if (value_->is_null()) return;
  const json::object* members = as_object();
  if (!members) return;
  std::map<std::string, std::string> texts;
  for (const auto& member : *members) {
    Reader(*this, std::string_view(member.key()), member.value()).take(texts[std::string(member.key())]);
    if (!errors_.ok()) return;
  }
  out = std::move(texts);
}

}  // namespace sandboxd::codec
