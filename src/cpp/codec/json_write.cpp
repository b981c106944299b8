// The writing half of json.hpp. Boost's serialiser neither escapes for HTML nor checks UTF-8, both of which the
// original's form needs, so this is our own.
#include "codec/json.hpp"
#include "codec/json_bytes.hpp"

#include <array>
#include <charconv>
#include <cmath>

namespace sandboxd::codec {
namespace {

bool is_continuation(unsigned char c) { return (c & 0xc0U) == 0x80U; }

// The length of the well-formed UTF-8 sequence at the start of `text`; 0 when there is none. Refuses overlong forms,
// surrogates and anything above U+10FFFF (Unicode, table 3-7).
std::size_t sequence_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return 1;
  std::size_t length = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xbf;
  if (lead >= 0xc2 && lead <= 0xdf) {
    length = 2;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    length = 3;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    length = 4;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
  } else {
    return 0;
  }
  if (text.size() < length || at(1) < low || at(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (!is_continuation(at(i))) return 0;
  }
  return length;
}

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

void write_escape(unsigned code, std::string& out) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kDigits[(code >> shift) & 0xfU];
}

// Bytes that stand for themselves inside quotes: most of all that is written, so runs of them are copied at once.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (std::size_t c = 0x20; c < 0x7f; ++c) plain[c] = true;
  for (const char c : {'"', '\\', '<', '>', '&'}) plain[static_cast<unsigned char>(c)] = false;
  return plain;
}();

// Without a branch for each byte and with nothing wider than one, so that the compiler looks at many at once.
constexpr std::size_t kBlockBytes = 32;

bool is_plain_block(const char* block) {
  unsigned char special = 0;
  for (std::size_t i = 0; i < kBlockBytes; ++i) {
    const auto c = static_cast<unsigned char>(block[i]);
    special = static_cast<unsigned char>(special | (c < 0x20) | (c > 0x7e) | (c == '"') | (c == '\\') | (c == '<') |
                                         (c == '>') | (c == '&'));
  }
  return special == 0;
}

bool is_ascii_block(const char* block) {
  unsigned char high = 0;
  for (std::size_t i = 0; i < kBlockBytes; ++i) high |= static_cast<unsigned char>(block[i]);
  return high < 0x80;
}

std::size_t plain_length(std::string_view text) {
  std::size_t length = 0;
  while (text.size() - length >= kBlockBytes && is_plain_block(text.data() + length)) length += kBlockBytes;
  while (length < text.size() && kPlain[static_cast<unsigned char>(text[length])]) ++length;
  return length;
}

// One ASCII character inside quotes.
void write_ascii(char c, std::string& out) {
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\b': out += "\\b"; return;
    case '\f': out += "\\f"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: break;
  }
  const auto code = static_cast<unsigned char>(c);
  if (code < 0x20 || c == '<' || c == '>' || c == '&') {
    write_escape(code, out);
  } else {
    out += c;
  }
}

void write_string(std::string_view text, std::string& out) {
  out += '"';
  while (true) {
    const std::size_t plain = plain_length(text);
    out.append(text.data(), plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    const std::size_t length = sequence_length(text);
    if (length == 1) {
      write_ascii(text[0], out);
    } else if (length == 0) {
      out += kReplacement;
    } else if (const std::string_view sequence = text.substr(0, length); sequence == "\xe2\x80\xa8") {
      out += "\\u2028";
    } else if (sequence == "\xe2\x80\xa9") {
      out += "\\u2029";
    } else {
      out += sequence;
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out += '"';
}

template <class Number>
void write_number(Number number, std::string& out) {
  std::array<char, 40> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

void write(const json::value& value, std::string& out) {
  switch (value.kind()) {
    case json::kind::null: out += "null"; break;
    case json::kind::bool_: out += value.get_bool() ? "true" : "false"; break;
    case json::kind::int64: write_number(value.get_int64(), out); break;
    case json::kind::uint64: write_number(value.get_uint64(), out); break;
    case json::kind::double_:
      if (value.get_double() == 0) {
        out += '0';  // also -0, which would read as a whole number without its sign
      } else if (std::isfinite(value.get_double())) {
        write_number(value.get_double(), out);
      } else {
        out += "null";
      }
      break;
    case json::kind::string: write_string(value.get_string(), out); break;
    case json::kind::array: {
      char before = '[';
      for (const json::value& item : value.get_array()) {
        out += before;
        write(item, out);
        before = ',';
      }
      out += before == '[' ? "[]" : "]";
      break;
    }
    case json::kind::object: {
      char before = '{';
      for (const auto& member : value.get_object()) {
        out += before;
        write_string(member.key(), out);
        out += ':';
        write(member.value(), out);
        before = ',';
      }
      out += before == '{' ? "{}" : "}";
      break;
    }
  }
}

}  // namespace

std::string write_json(const json::value& value) {
  std::string out;
  write(value, out);
  return out;
}

void append_json(const json::value& value, std::string& out) { write(value, out); }

void append_json_string(std::string_view text, std::string& out) { write_string(text, out); }

bool is_valid_utf8(std::string_view text) {
  while (!text.empty()) {
    std::size_t length = kBlockBytes;
    if (text.size() < kBlockBytes || !is_ascii_block(text.data())) length = sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string valid_utf8(std::string_view text, std::size_t bytes_max) {
  std::string out = valid_utf8(text.substr(0, bytes_max));
  if (out.size() <= bytes_max) return out;
  std::size_t end = bytes_max;  // what stands for a wrong byte is longer than that
  while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0U) == 0x80U) --end;
  out.resize(end);
  return out;
}

std::string valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    out += length == 0 ? kReplacement : text.substr(0, length);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

void put_if(json::object& object, std::string_view name, const std::string& text) {
  if (!text.empty()) object[name] = text;
}

void put_if(json::object& object, std::string_view name, const std::vector<std::string>& list) {
  if (!list.empty()) object[name] = to_array(list);
}

void put_if(json::object& object, std::string_view name, const std::map<std::string, std::string>& map) {
  if (!map.empty()) object[name] = to_object(map);
}

void put_if_true(json::object& object, std::string_view name, bool fact) {
  if (fact) object[name] = true;
}

json::array to_array(const std::vector<std::string>& list) {
  json::array array;
  array.reserve(list.size());
  for (const std::string& text : list) array.emplace_back(text);
  return array;
}

json::object to_object(const std::map<std::string, std::string>& map) {
  json::object object;
  for (const auto& [key, text] : map) object.emplace(key, text);
  return object;
}

}  // namespace sandboxd::codec
