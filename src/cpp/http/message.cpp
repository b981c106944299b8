#include "http/message.hpp"

#include "base/assert.hpp"
#include "http/text.hpp"

#include <algorithm>

namespace sandboxd::http {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

bool HeaderLess::operator()(std::string_view a, std::string_view b) const {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                      [](char x, char y) { return ascii_lower(x) < ascii_lower(y); });
}

std::string_view Request::header(std::string_view name) const {
  // A range of equal names keeps the order of arrival; find() alone may return any of them.
  const auto found = headers.lower_bound(name);
  if (found == headers.end() || !equals_ignoring_case(found->first, name)) return {};
  return found->second;
}

std::optional<std::string> Request::query_value(const std::string& name) const {
  const auto found = query.lower_bound(name);
  if (found == query.end() || found->first != name) return std::nullopt;
  return found->second;
}

const std::string& Request::parameter(const std::string& name) const {
  const auto found = parameters.find(name);
  SBX_ASSERT(found != parameters.end());
  return found->second;
}

std::string percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const int high = hex_value(text[i + 1]);
      const int low = hex_value(text[i + 2]);
      if (high >= 0 && low >= 0) {
        out += static_cast<char>(high * 16 + low);
        i += 2;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

std::string percent_encode(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~') {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

}  // namespace sandboxd::http
