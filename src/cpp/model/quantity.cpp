#include "model/quantity.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace sandboxd::model {
namespace {

// A quantity is mantissa * 10^exp10 * 2^exp2. It is evaluated in 128-bit integers so that rounding is exact.
struct Quantity {
  bool negative = false;
  unsigned __int128 mantissa = 0;
  int exp10 = 0;
  int exp2 = 0;
};

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool apply_suffix(std::string_view suffix, Quantity& q) {
  if (suffix.empty()) return true;
  if (suffix.size() == 2 && suffix[1] == 'i') {
    const auto at = std::string_view("KMGTPE").find(suffix[0]);
    if (at == std::string_view::npos) return false;
    q.exp2 = 10 * (static_cast<int>(at) + 1);
    return true;
  }
  if (suffix.size() == 1) {
    struct Decimal {
      char letter;
      int exp10;
    };
    static constexpr std::array<Decimal, 9> kDecimal{
        {{'n', -9}, {'u', -6}, {'m', -3}, {'k', 3}, {'M', 6}, {'G', 9}, {'T', 12}, {'P', 15}, {'E', 18}}};
    for (const Decimal& d : kDecimal) {
      if (d.letter == suffix[0]) {
        q.exp10 += d.exp10;
        return true;
      }
    }
    return false;
  }
  if (suffix[0] != 'e' && suffix[0] != 'E') return false;
  std::string_view exponent = suffix.substr(1);
  int sign = 1;
  if (exponent[0] == '+' || exponent[0] == '-') {
    sign = exponent[0] == '-' ? -1 : 1;
    exponent.remove_prefix(1);
  }
  if (exponent.empty() || exponent.size() > 3 || !std::all_of(exponent.begin(), exponent.end(), is_digit)) {
    return false;
  }
  int value = 0;
  for (const char c : exponent) value = value * 10 + (c - '0');
  q.exp10 += sign * value;
  return true;
}

std::optional<Quantity> parse(std::string_view text) {
  text = trim(text);
  if (text.empty() || text.size() > 64) return std::nullopt;
  Quantity q;
  if (text[0] == '+' || text[0] == '-') {
    q.negative = text[0] == '-';
    text.remove_prefix(1);
  }
  std::size_t at = 0;
  int digits = 0;
  int significant = 0;
  bool fraction = false;
  for (; at < text.size(); ++at) {
    if (text[at] == '.') {
      if (fraction) return std::nullopt;
      fraction = true;
      continue;
    }
    if (!is_digit(text[at])) break;
    ++digits;
    if (significant < 30) {  // 30 decimal digits fit 128 bits with room for the scale; the rest only shifts
      q.mantissa = q.mantissa * 10 + static_cast<unsigned>(text[at] - '0');
      if (q.mantissa != 0) ++significant;
      if (fraction) --q.exp10;
    } else if (!fraction) {
      ++q.exp10;
    }
  }
  if (digits == 0 || !apply_suffix(text.substr(at), q)) return std::nullopt;
  return q;
}

std::int64_t evaluate(Quantity q) {
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  constexpr unsigned __int128 kWide = static_cast<unsigned __int128>(1) << 120;
  const auto saturated = [&] { return q.negative ? -kMax : kMax; };
  if (q.mantissa == 0) return 0;
  bool remainder = false;
  for (; q.exp2 > 0; --q.exp2) {
    if (q.mantissa >= kWide) {
      remainder = remainder || (q.mantissa % 10 != 0);
      q.mantissa /= 10;
      ++q.exp10;
    }
    q.mantissa *= 2;
  }
  for (; q.exp10 > 0; --q.exp10) {
    if (q.mantissa > static_cast<unsigned __int128>(kMax)) return saturated();
    q.mantissa *= 10;
  }
  for (; q.exp10 < 0 && q.mantissa != 0; ++q.exp10) {
    remainder = remainder || (q.mantissa % 10 != 0);
    q.mantissa /= 10;
  }
  if (remainder && !q.negative) ++q.mantissa;  // ceil
  if (q.mantissa > static_cast<unsigned __int128>(kMax)) return saturated();
  const auto value = static_cast<std::int64_t>(q.mantissa);
  return q.negative ? -value : value;
}

}  // namespace

std::optional<std::int64_t> parse_cpu_milli(std::string_view text) {
  auto q = parse(text);
  if (!q) return std::nullopt;
  q->exp10 += 3;
  return evaluate(*q);
}

std::optional<std::int64_t> parse_bytes(std::string_view text) {
  const auto q = parse(text);
  if (!q) return std::nullopt;
  return evaluate(*q);
}

std::string format_cpu_milli(std::int64_t milli) { return std::to_string(milli) + "m"; }

std::string format_bytes(std::int64_t bytes) {
  static constexpr std::array<const char*, 7> kUnits{"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
  std::size_t unit = 0;
  while (bytes != 0 && bytes % 1024 == 0 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  return std::to_string(bytes) + kUnits[unit];
}

}  // namespace sandboxd::model
