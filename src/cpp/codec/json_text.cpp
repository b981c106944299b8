#include "codec/json_text.hpp"

#include "codec/json.hpp"

#include <boost/json/basic_parser_impl.hpp>

#include <cstdint>
#include <limits>
#include <utility>

namespace sandboxd::codec {
namespace {

constexpr std::size_t kDepthMax = 64;

// Looks at a document as it goes by; keeps the names of the outermost members only. The names of its functions are
// those that Boost.JSON's parser calls.
class Members {
 public:
  static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_array_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_key_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_string_size = std::numeric_limits<std::size_t>::max();

  using Code = boost::system::error_code;

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) {
    is_object_ = is_object_ || depth_ == 0;
    ++depth_;
    return true;
  }
  bool on_object_end(std::size_t, Code&) { return leave(); }
  bool on_array_begin(Code&) {
    ++depth_;
    return true;
  }
  bool on_array_end(std::size_t, Code&) { return leave(); }
  bool on_key_part(std::string_view part, std::size_t, Code&) {
    if (depth_ == 1) name_ += part;
    return true;
  }
  bool on_key(std::string_view part, std::size_t, Code&) {
    if (depth_ == 1) {
      names_.push_back(std::exchange(name_, {}).append(part));
    }
    return true;
  }
  bool on_string_part(std::string_view, std::size_t, Code&) { return true; }
  bool on_string(std::string_view, std::size_t, Code&) { return true; }
  bool on_number_part(std::string_view, Code&) { return true; }
  bool on_int64(std::int64_t, std::string_view, Code&) { return true; }
  bool on_uint64(std::uint64_t, std::string_view, Code&) { return true; }
  bool on_double(double, std::string_view, Code&) { return true; }
  bool on_bool(bool, Code&) { return true; }
  bool on_null(Code&) { return true; }
  bool on_comment_part(std::string_view, Code&) { return true; }
  bool on_comment(std::string_view, Code&) { return true; }

  [[nodiscard]] bool is_object() const { return is_object_; }
  [[nodiscard]] std::vector<std::string> take() { return std::move(names_); }

 private:
  bool leave() {
    --depth_;
    return true;
  }

  std::size_t depth_ = 0;
  bool is_object_ = false;
  std::string name_;
  std::vector<std::string> names_;
};

}  // namespace

std::string_view trimmed_json(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

Result<std::vector<std::string>> object_members(std::string_view text) {
  const auto wrong = [](std::size_t at, std::string_view what) {
    return Error(ErrorCode::protocol_error, "malformed JSON at byte " + std::to_string(at) + ": " + std::string(what));
  };
  json::parse_options options;
  options.max_depth = kDepthMax;
  options.numbers = json::number_precision::none;
  json::basic_parser<Members> parser(options);
  boost::system::error_code failure;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), failure);
  if (failure == json::error::incomplete) return wrong(text.size(), "unexpected end");
  if (failure) return wrong(used, failure.message());
  if (text.find_first_not_of(" \t\r\n", used) != std::string_view::npos) {
    return wrong(used, "extra bytes after the value");
  }
  if (!parser.handler().is_object()) return Error(ErrorCode::protocol_error, "an object is expected");
  return parser.handler().take();
}

std::string with_member(std::string object, std::string_view name, std::string_view text_value) {
  const std::size_t end = object.rfind('}');
  const bool is_first = trimmed_json(std::string_view(object).substr(0, end)).ends_with('{') &&
                        trimmed_json(std::string_view(object).substr(0, end)).size() == 1;
  std::string member = is_first ? "" : ",";
  member += write_json(json::value(name));
  member += ':';
  member += write_json(json::value(text_value));
  object.insert(end, member);
  return object;
}

}  // namespace sandboxd::codec
