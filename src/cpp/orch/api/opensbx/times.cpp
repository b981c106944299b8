#include "orch/api/opensbx/times.hpp"

#include <ctime>

namespace sandboxd::orch::opensbx {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr Duration kHalfYear = std::chrono::hours(24 * 182);

std::string count_of(std::int64_t count, const char* what) { return std::to_string(count) + " " + what; }

std::string two_digits(int number) { return (number < 10 ? "0" : "") + std::to_string(number); }

std::string padded(int number, std::size_t width) {
  std::string text = std::to_string(number);
  return std::string(width > text.size() ? width - text.size() : 0, ' ') + text;
}

}  // namespace

std::string human_duration(Duration duration) {
  const std::int64_t seconds = duration.count() / kSecond;
  const std::int64_t minutes = seconds / 60;
  const std::int64_t hours = (duration.count() + 1800 * kSecond) / (3600 * kSecond);
  if (seconds < 1) return "Less than a second";
  if (seconds == 1) return "1 second";
  if (seconds < 60) return count_of(seconds, "seconds");
  if (minutes == 1) return "About a minute";
  if (minutes < 60) return count_of(minutes, "minutes");
  if (hours == 1) return "About an hour";
  if (hours < 48) return count_of(hours, "hours");
  if (hours < 24 * 7 * 2) return count_of(hours / 24, "days");
  if (hours < 24 * 30 * 2) return count_of(hours / 24 / 7, "weeks");
  if (hours < 24 * 365 * 2) return count_of(hours / 24 / 30, "months");
  return count_of(seconds / (3600 * 24 * 365), "years");
}

std::string format_at_offset(WallTime at, int offset_seconds) {
  std::string text = format_rfc3339(at + std::chrono::seconds(offset_seconds));
  if (offset_seconds == 0) return text;
  text.pop_back();
  const int minutes = (offset_seconds < 0 ? -offset_seconds : offset_seconds) / 60;
  return text + (offset_seconds < 0 ? "-" : "+") + two_digits(minutes / 60) + ":" + two_digits(minutes % 60);
}

std::string format_local(WallTime at) {
  const std::time_t seconds = at.ns / kSecond;
  std::tm local{};
  if (localtime_r(&seconds, &local) == nullptr) return format_rfc3339(at);
  return format_at_offset(at, static_cast<int>(local.tm_gmtoff));
}

std::int64_t unix_millis(WallTime at) { return at.ns / 1'000'000; }

std::string list_date(WallTime at, WallTime now) {
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds = at.ns / kSecond;
  std::tm parts{};
  if (gmtime_r(&seconds, &parts) == nullptr) return "?";
  const std::string day = std::string(kMonths[parts.tm_mon]) + " " + padded(parts.tm_mday, 2) + " ";
  const bool is_recent = at <= now && now - at < kHalfYear;
  if (is_recent) return day + two_digits(parts.tm_hour) + ":" + two_digits(parts.tm_min);
  return day + padded(parts.tm_year + 1900, 5);
}

}  // namespace sandboxd::orch::opensbx
