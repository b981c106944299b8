#include "base/config.hpp"

#include "base/log.hpp"

#include <array>
#include <charconv>
#include <cmath>

namespace sandboxd {
namespace {

Error expected(std::string_view what, std::string_view text) {
  return {ErrorCode::invalid_argument, "expected " + std::string(what) + ", got \"" + std::string(text) + "\""};
}

}  // namespace

Result<void> config_set(std::string& value, std::string_view text) {
  value = text;
  return {};
}

Result<void> config_set(std::int64_t& value, std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return expected("a whole number", text);
  const std::string_view suffix(end, static_cast<std::size_t>(text.data() + text.size() - end));
  std::int64_t factor = 1;
  if (!suffix.empty()) {
    const auto at = std::string_view("KMGT").find(suffix[0]);
    if (suffix.size() != 2 || suffix[1] != 'i' || at == std::string_view::npos) {
      return expected("a whole number, optionally with Ki, Mi, Gi or Ti", text);
    }
    factor = std::int64_t{1} << (10 * (at + 1));
  }
  if (__builtin_mul_overflow(number, factor, &value)) return expected("a smaller number", text);
  return {};
}

Result<void> config_set(double& value, std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(number)) {
    return expected("a finite number", text);
  }
  value = number;
  return {};
}

Result<void> config_set(bool& value, std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  static constexpr std::array<std::string_view, 5> kTrue{"1", "true", "yes", "y", "on"};
  static constexpr std::array<std::string_view, 5> kFalse{"0", "false", "no", "n", "off"};
  for (const auto word : kTrue) {
    if (lower == word) {
      value = true;
      return {};
    }
  }
  for (const auto word : kFalse) {
    if (lower == word) {
      value = false;
      return {};
    }
  }
  return expected("true or false", text);
}

Result<void> config_set(Duration& value, std::string_view text) {
  const auto parsed = parse_duration(text);
  if (!parsed) return expected("a duration such as 250ms, 10s or 1h30m", text);
  value = *parsed;
  return {};
}

Result<void> config_set(std::vector<std::string>& value, std::string_view text) {
  std::vector<std::string> items;
  while (!text.empty()) {
    const auto comma = text.find(',');
    std::string_view item = text.substr(0, comma);
    while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
    while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
    if (!item.empty()) items.emplace_back(item);
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  value = std::move(items);
  return {};
}

std::string config_text(const std::string& value) { return value; }
std::string config_text(std::int64_t value) { return std::to_string(value); }
std::string config_text(bool value) { return value ? "true" : "false"; }

std::string config_text(double value) {
  std::array<char, 64> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), end};
}

std::string config_text(Duration value) {
  const std::int64_t ns = value.count();
  if (ns % 1'000'000'000 == 0) return std::to_string(ns / 1'000'000'000) + "s";
  if (ns % 1'000'000 == 0) return std::to_string(ns / 1'000'000) + "ms";
  return std::to_string(ns) + "ns";
}

std::string config_text(const std::vector<std::string>& value) {
  std::string text;
  for (const std::string& item : value) text += (text.empty() ? "" : ",") + item;
  return text;
}

Result<void> no_problems(const std::vector<std::string>& problems) {
  if (problems.empty()) return {};
  std::string text;
  for (const std::string& problem : problems) text += (text.empty() ? "" : "; ") + problem;
  return Error(ErrorCode::invalid_argument, std::move(text));
}

void log_reload(const Log& log, const ConfigReload& reload) {
  log.info("configuration reloaded", {{"changed", config_text(reload.changed)}});
  if (reload.need_restart.empty()) return;
  log.warn("settings that change with a restart only", {{"settings", config_text(reload.need_restart)}});
}

}  // namespace sandboxd
