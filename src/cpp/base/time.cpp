#include "base/time.hpp"

#include <array>
#include <charconv>
#include <limits>

namespace sandboxd {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;

struct Civil {
  std::int64_t seconds;
  std::int64_t ns;
};

Civil split(WallTime at) {
  std::int64_t seconds = at.ns / kNsPerSecond;
  std::int64_t ns = at.ns % kNsPerSecond;
  if (ns < 0) {
    ns += kNsPerSecond;
    --seconds;
  }
  return {seconds, ns};
}

// `value` over the `count` zeros at `at`. By hand: a list of sandboxes formats times by the ten thousand.
void put_digits(std::string& text, std::size_t at, std::size_t count, std::int64_t value) {
  for (std::size_t i = at + count; i-- > at; value /= 10) text[i] = static_cast<char>('0' + value % 10);
}

std::string date_and_time(std::int64_t seconds) {
  using namespace std::chrono;
  const sys_seconds point{std::chrono::seconds(seconds)};
  const auto day = floor<days>(point);
  const year_month_day date(day);
  const hh_mm_ss clock(point - day);
  std::string text = "0000-00-00T00:00:00";
  put_digits(text, 0, 4, int(date.year()));  // 1677 to 2262: what 64 bits of nanoseconds reach
  put_digits(text, 5, 2, unsigned(date.month()));
  put_digits(text, 8, 2, unsigned(date.day()));
  put_digits(text, 11, 2, clock.hours().count());
  put_digits(text, 14, 2, clock.minutes().count());
  put_digits(text, 17, 2, clock.seconds().count());
  return text;
}

std::optional<int> digits(std::string_view text, std::size_t at, std::size_t count) {
  if (at + count > text.size()) return std::nullopt;
  int value = 0;
  for (const char c : text.substr(at, count)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

}  // namespace

std::string format_rfc3339_fixed(WallTime at) {
  const Civil civil = split(at);
  std::string text = date_and_time(civil.seconds) + ".000000000Z";
  put_digits(text, 20, 9, civil.ns);
  return text;
}

std::string format_rfc3339(WallTime at) {
  std::string text = format_rfc3339_fixed(at);
  text.pop_back();
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text + 'Z';
}

std::optional<WallTime> parse_rfc3339(std::string_view text) {
  using namespace std::chrono;
  const auto year_n = digits(text, 0, 4), month_n = digits(text, 5, 2), day_n = digits(text, 8, 2);
  const auto hour_n = digits(text, 11, 2), minute_n = digits(text, 14, 2), second_n = digits(text, 17, 2);
  if (!year_n || !month_n || !day_n || !hour_n || !minute_n || !second_n) return std::nullopt;
  if (text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') || text[13] != ':' || text[16] != ':' ||
      *hour_n > 23 || *minute_n > 59 || *second_n > 60) {
    return std::nullopt;
  }
  const year_month_day date(year(*year_n), month(static_cast<unsigned>(*month_n)), day(static_cast<unsigned>(*day_n)));
  // 1678 to 2262 is what 64 bits of nanoseconds reach.
  if (!date.ok() || *year_n < 1678 || *year_n > 2261) return std::nullopt;
  std::size_t at = 19;
  std::int64_t ns = 0;
  if (at < text.size() && text[at] == '.') {
    std::int64_t scale = kNsPerSecond / 10;
    const std::size_t first = ++at;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
      ns += (text[at] - '0') * scale;
      scale /= 10;
    }
    if (at == first) return std::nullopt;
  }
  std::int64_t offset = 0;
  const std::string_view zone = text.substr(at);
  if (zone != "Z" && zone != "z") {
    const auto zone_hour = digits(zone, 1, 2), zone_minute = digits(zone, 4, 2);
    if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':' || !zone_hour || !zone_minute) {
      return std::nullopt;
    }
    offset = (*zone_hour * 60 + *zone_minute) * 60 * (zone[0] == '-' ? -1 : 1);
  }
  const std::int64_t seconds = sys_days(date).time_since_epoch().count() * std::int64_t{86400} + *hour_n * 3600 +
                               *minute_n * 60 + *second_n - offset;
  return WallTime{seconds * kNsPerSecond + ns};
}

std::optional<Duration> parse_duration(std::string_view text) {
  if (text == "0") return Duration(0);
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text.empty()) return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    double number = 0;
    if ((text[0] < '0' || text[0] > '9') && text[0] != '.') return std::nullopt;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (error != std::errc{}) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    struct Unit {
      std::string_view name;
      double ns;
    };
    static constexpr std::array<Unit, 8> kUnits{{{"ns", 1},
                                                 {"us", 1e3},
                                                 {"\xc2\xb5s", 1e3},
                                                 {"\xce\xbcs", 1e3},
                                                 {"ms", 1e6},
                                                 {"s", 1e9},
                                                 {"m", 60e9},
                                                 {"h", 3600e9}}};
    const Unit* found = nullptr;
    for (const Unit& unit : kUnits) {
      if (text.starts_with(unit.name) && (!found || unit.name.size() > found->name.size())) found = &unit;
    }
    if (!found) return std::nullopt;
    total += number * found->ns;
    text.remove_prefix(found->name.size());
  }
  if (total >= static_cast<double>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
  const auto ns = static_cast<std::int64_t>(total);
  return Duration(negative ? -ns : ns);
}

}  // namespace sandboxd
