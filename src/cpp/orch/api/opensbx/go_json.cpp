#include "orch/api/opensbx/go_json.hpp"

#include "codec/json.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

namespace sandboxd::orch::opensbx {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";

void append_utf8(std::uint32_t point, std::string& out) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (point < 0x80) return put(point);
  if (point < 0x800) {
    put(0xc0 | point >> 6);
  } else if (point < 0x10000) {
    put(0xe0 | point >> 12);
    put(0x80 | (point >> 6 & 0x3f));
  } else {
    put(0xf0 | point >> 18);
    put(0x80 | (point >> 12 & 0x3f));
    put(0x80 | (point >> 6 & 0x3f));
  }
  put(0x80 | (point & 0x3f));
}

// A byte as Go quotes it: as the character of that number.
std::string quoted(char c) {
  const auto byte = static_cast<unsigned char>(c);
  switch (c) {
    case '\'': return R"('\'')";
    case '"': return R"('"')";
    case '\\': return R"('\\')";
    case '\a': return R"('\a')";
    case '\b': return R"('\b')";
    case '\f': return R"('\f')";
    case '\n': return R"('\n')";
    case '\r': return R"('\r')";
    case '\t': return R"('\t')";
    case '\v': return R"('\v')";
    default: break;
  }
  std::string out = "'";
  const bool is_invisible = byte < 0x20 || byte == 0x7f || (byte >= 0x80 && byte <= 0xa0) || byte == 0xad;
  if (is_invisible) {
    out += byte < 0x80 ? "\\x" : "\\u00";
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  } else {
    append_utf8(byte, out);
  }
  return out + "'";
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  const char low = static_cast<char>(c | 0x20);
  return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  Result<GoValue> run() {
    skip_blanks();
    if (at_ == text_.size()) return Error(ErrorCode::invalid_argument, "EOF");
    GoValue value;
    if (!read_value(value, 0)) return Error(ErrorCode::invalid_argument, *problem_);
    return value;
  }

 private:
  bool fail(std::string why) {
    problem_ = std::move(why);
    return false;
  }
  // What stands here does not belong here; at the end of the text, that it ends.
  bool unexpected(std::string_view where) {
    if (at_ >= text_.size()) return fail("unexpected EOF");
    return fail("invalid character " + quoted(text_[at_]) + " " + std::string(where));
  }
  void skip_blanks() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }
  [[nodiscard]] char here() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  bool read_value(GoValue& out, std::size_t depth) {
    out.at = at_;
    if (depth > kGoDepthMax) return fail("exceeded max depth");
    const char c = here();
    switch (c) {
      case '{': return read_object(out, depth);
      case '[': return read_array(out, depth);
      case '"': out.kind = GoValue::Kind::string; return read_string(out.text);
      case 't':
        out.fact = true;
        out.kind = GoValue::Kind::boolean;
        return read_word("true");
      case 'f': out.kind = GoValue::Kind::boolean; return read_word("false");
      case 'n': return read_word("null");
      default: break;
    }
    if (c == '-' || is_digit(c)) return read_number(out);
    return unexpected("looking for beginning of value");
  }

  bool read_word(std::string_view word) {
    for (std::size_t i = 0; i < word.size(); ++i, ++at_) {
      if (here() == word[i]) continue;
      return unexpected("in literal " + std::string(word) + " (expecting " + quoted(word[i]) + ")");
    }
    return true;
  }

  bool read_digits(std::string_view where) {
    if (!is_digit(here())) return unexpected(where);
    while (is_digit(here())) ++at_;
    return true;
  }

  bool read_number(GoValue& out) {
    const std::size_t begin = at_;
    out.kind = GoValue::Kind::number;
    if (here() == '-') ++at_;
    if (here() == '0') {
      ++at_;
    } else if (!read_digits("in numeric literal")) {
      return false;
    }
    if (here() == '.') {
      ++at_;
      if (!read_digits("after decimal point in numeric literal")) return false;
    }
    if (here() == 'e' || here() == 'E') {
      ++at_;
      if (here() == '+' || here() == '-') ++at_;
      if (!read_digits("in exponent of numeric literal")) return false;
    }
    out.text = text_.substr(begin, at_ - begin);
    return true;
  }

  bool read_hex(std::uint32_t& out) {
    out = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const int digit = at_ < text_.size() ? hex_value(text_[at_]) : -1;
      if (digit < 0) return unexpected("in \\u hexadecimal character escape");
      out = out << 4 | static_cast<std::uint32_t>(digit);
    }
    return true;
  }

  // Behind "\u". A half of a pair alone is U+FFFD, and what follows it stands for itself.
  bool read_code(std::string& out) {
    std::uint32_t point = 0;
    if (!read_hex(point)) return false;
    const bool is_high = point >= 0xd800 && point < 0xdc00;
    if (is_high && text_.substr(at_).starts_with("\\u")) {
      const std::size_t back = at_;
      at_ += 2;
      std::uint32_t low = 0;
      if (!read_hex(low)) return false;
      if (low >= 0xdc00 && low < 0xe000) {
        append_utf8(0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00), out);
        return true;
      }
      at_ = back;
    }
    append_utf8(point >= 0xd800 && point < 0xe000 ? 0xfffd : point, out);
    return true;
  }

  bool read_escape(std::string& out) {
    static constexpr std::string_view kNames = "\"\\/bfnrt";
    static constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    if (here() == 'u') {
      ++at_;
      return read_code(out);
    }
    const std::size_t which = at_ < text_.size() ? kNames.find(text_[at_]) : std::string_view::npos;
    if (which == std::string_view::npos) return unexpected("in string escape code");
    out += kMeanings[which];
    ++at_;
    return true;
  }

  bool read_string(std::string& out) {
    std::string raw;
    ++at_;
    for (;;) {
      if (at_ >= text_.size()) return fail("unexpected EOF");
      const char c = text_[at_];
      if (static_cast<unsigned char>(c) < 0x20) return unexpected("in string literal");
      ++at_;
      if (c == '"') break;
      if (c != '\\') {
        raw += c;
      } else if (!read_escape(raw)) {
        return false;
      }
    }
    out = codec::valid_utf8(raw);
    return true;
  }

  bool read_array(GoValue& out, std::size_t depth) {
    out.kind = GoValue::Kind::array;
    ++at_;
    skip_blanks();
    if (here() == ']') return ++at_, true;
    for (;;) {
      skip_blanks();
      if (!read_value(out.items.emplace_back(), depth + 1)) return false;
      skip_blanks();
      if (here() == ']') return ++at_, true;
      if (here() != ',') return unexpected("after array element");
      ++at_;
    }
  }

  bool read_object(GoValue& out, std::size_t depth) {
    out.kind = GoValue::Kind::object;
    ++at_;
    skip_blanks();
    if (here() == '}') return ++at_, true;
    for (;;) {
      skip_blanks();
      if (here() != '"') return unexpected("looking for beginning of object key string");
      if (!read_string(out.names.emplace_back())) return false;
      skip_blanks();
      if (here() != ':') return unexpected("after object key");
      ++at_;
      skip_blanks();
      if (!read_value(out.items.emplace_back(), depth + 1)) return false;
      skip_blanks();
      if (here() == '}') return ++at_, true;
      if (here() != ',') return unexpected("after object key:value pair");
      ++at_;
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::optional<std::string> problem_;
};

}  // namespace

Result<GoValue> parse_go_json(std::string_view text) { return Scanner(text).run(); }

}  // namespace sandboxd::orch::opensbx
