#include "codec/sbxlet_tmpfs.hpp"

#include "model/quantity.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace sandboxd::codec::sbxlet {
namespace {

Error invalid(std::string message) { return {ErrorCode::invalid_argument, std::move(message)}; }

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

struct Unit {
  std::string_view suffix;
  std::int64_t bytes;
};
constexpr std::int64_t kKi = 1024;
constexpr std::int64_t kK = 1000;
constexpr std::array<Unit, 17> kUnits{{{"kib", kKi},
                                       {"mib", kKi* kKi},
                                       {"gib", kKi* kKi* kKi},
                                       {"tib", kKi* kKi* kKi* kKi},
                                       {"ki", kKi},
                                       {"mi", kKi* kKi},
                                       {"gi", kKi* kKi* kKi},
                                       {"ti", kKi* kKi* kKi* kKi},
                                       {"kb", kK},
                                       {"mb", kK* kK},
                                       {"gb", kK* kK* kK},
                                       {"tb", kK* kK* kK* kK},
                                       {"k", kK},
                                       {"m", kK* kK},
                                       {"g", kK* kK* kK},
                                       {"t", kK* kK* kK* kK},
                                       {"b", 1}}};

std::optional<std::int64_t> parse_size(std::string_view text) {
  const std::string word = lower(text);
  for (const Unit& unit : kUnits) {
    if (!word.ends_with(unit.suffix)) continue;
    const std::string_view digits = trim(std::string_view(word).substr(0, word.size() - unit.suffix.size()));
    std::int64_t count = 0;
    const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
    if (failure != std::errc() || end != digits.data() + digits.size()) break;
    std::int64_t bytes = 0;
    if (__builtin_mul_overflow(count, unit.bytes, &bytes)) return std::nullopt;
    return bytes;
  }
  return model::parse_bytes(text);
}

bool is_mode(std::string_view text) {
  return text.size() <= 5 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '7'; }) &&
         (text.size() < 5 || text[0] == '0');
}

bool apply_flag(std::string_view flag, TmpfsOptions& out) {
  struct Flag {
    std::string_view name;
    bool TmpfsOptions::* member;
    bool value;
  };
  static constexpr std::array<Flag, 8> kFlags{{{"ro", &TmpfsOptions::read_only, true},
                                               {"rw", &TmpfsOptions::read_only, false},
                                               {"nosuid", &TmpfsOptions::nosuid, true},
                                               {"suid", &TmpfsOptions::nosuid, false},
                                               {"nodev", &TmpfsOptions::nodev, true},
                                               {"dev", &TmpfsOptions::nodev, false},
                                               {"noexec", &TmpfsOptions::noexec, true},
                                               {"exec", &TmpfsOptions::noexec, false}}};
  for (const Flag& known : kFlags) {
    if (known.name != flag) continue;
    out.*known.member = known.value;
    return true;
  }
  return false;
}

Result<void> apply_option(std::string_view option, TmpfsOptions& out) {
  if (option.empty()) return invalid("empty option");
  if (apply_flag(option, out)) return {};
  const auto unsupported = [&] { return invalid("unsupported option \"" + std::string(option) + "\""); };
  const auto separator = option.find_first_of("=:");
  if (separator == std::string_view::npos) return unsupported();
  const std::string key = lower(trim(option.substr(0, separator)));
  const std::string value(trim(option.substr(separator + 1)));
  if (key == "mode") {
    if (value.empty()) return invalid("mode requires a value");
    if (!is_mode(value)) return invalid("invalid mode \"" + value + "\"");
    out.mode = value;
    return {};
  }
  if (key == "size") {
    if (value.empty()) return invalid("size requires a value");
    const auto bytes = parse_size(value);
    if (!bytes || *bytes <= 0) return invalid("invalid size \"" + value + "\"");
    out.size_bytes = *bytes;
    return {};
  }
  return unsupported();
}

}  // namespace

Result<TmpfsOptions> parse_tmpfs_options(std::string_view text) {
  TmpfsOptions out;
  if (trim(text).empty()) return out;
  while (true) {
    const auto comma = text.find(',');
    SBX_CHECK(apply_option(trim(text.substr(0, comma)), out));
    if (comma == std::string_view::npos) return out;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace sandboxd::codec::sbxlet
