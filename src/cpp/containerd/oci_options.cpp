// The small languages inside a request: security options and tmpfs options.
#include "containerd/oci_spec.hpp"
#include "model/quantity.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace sandboxd::containerd {

namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// True for the default profile, false for none.
Result<bool> parse_profile(std::string_view value) {
  const std::string word = lower(value);
  if (word.empty() || word == "runtime/default" || word == "runtimedefault" || word == "default") return true;
  if (word == "unconfined") return false;
  if (word.starts_with("localhost/")) {
    return Error(ErrorCode::unsupported, "profiles of the host (\"" + std::string(value) + "\") are not supported");
  }
  return Error(ErrorCode::invalid_argument, "unsupported profile value \"" + std::string(value) + "\"");
}

// Integer and suffix; "64m" is decimal and "64Mi" binary, as sandboxd-o reads them.
std::optional<std::int64_t> parse_size(std::string_view text) {
  static constexpr std::pair<std::string_view, std::int64_t> kUnits[] = {{"kib", 1LL << 10},
                                                                         {"mib", 1LL << 20},
                                                                         {"gib", 1LL << 30},
                                                                         {"tib", 1LL << 40},
                                                                         {"ki", 1LL << 10},
                                                                         {"mi", 1LL << 20},
                                                                         {"gi", 1LL << 30},
                                                                         {"ti", 1LL << 40},
                                                                         {"kb", 1000},
                                                                         {"mb", 1000000},
                                                                         {"gb", 1000000000},
                                                                         {"tb", 1000000000000},
                                                                         {"k", 1000},
                                                                         {"m", 1000000},
                                                                         {"g", 1000000000},
                                                                         {"t", 1000000000000},
                                                                         {"b", 1}};
  const std::string word = lower(text);
  for (const auto& [suffix, unit] : kUnits) {
    if (!word.ends_with(suffix)) continue;
    const std::string_view digits = std::string_view(word).substr(0, word.size() - suffix.size());
    std::int64_t number = 0;
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    std::int64_t bytes = 0;
    if (ec == std::errc() && end == digits.data() + digits.size() && number > 0 &&
        !__builtin_mul_overflow(number, unit, &bytes)) {
      return bytes;
    }
    break;
  }
  return model::parse_bytes(text);
}

}  // namespace

Result<SecurityOptions> parse_security_options(const std::vector<std::string>& entries) {
  SecurityOptions out;
  for (const std::string& entry : entries) {
    const auto at = entry.find_first_of("=:");
    const std::string key = lower(std::string_view(entry).substr(0, at));
    const std::string value = at == std::string::npos ? "" : entry.substr(at + 1);
    if (key == "no-new-privileges") {
      const std::string word = lower(value);
      if (word != "" && word != "true" && word != "false" && word != "1" && word != "0") {
        return Error(ErrorCode::invalid_argument, "securityOpt \"" + entry + "\" has invalid boolean");
      }
      out.no_new_privileges = word != "false" && word != "0";
    } else if (key == "seccomp") {
      SBX_TRY(confined, parse_profile(value));
      out.seccomp = confined;
    } else if (key == "apparmor") {
      SBX_CHECK(parse_profile(value));  // no profile of ours is loaded on the host: default and unconfined are the same
    } else {
      return Error(ErrorCode::invalid_argument, "unsupported securityOpt \"" + entry + "\"");
    }
  }
  return out;
}

Result<std::vector<std::string>> tmpfs_options(std::string_view text) {
  bool nosuid = true, nodev = true, noexec = false, read_only = false;
  std::string mode = "1777";
  std::int64_t size = 0;
  while (!text.empty()) {
    const auto comma = text.find(',');
    const std::string_view option = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    const auto at = option.find_first_of("=:");
    const std::string key = at == std::string_view::npos ? std::string(option) : lower(option.substr(0, at));
    const std::string_view value = at == std::string_view::npos ? std::string_view() : option.substr(at + 1);
    if (key == "ro" || key == "rw") {
      read_only = key == "ro";
    } else if (key == "nosuid" || key == "suid") {
      nosuid = key == "nosuid";
    } else if (key == "nodev" || key == "dev") {
      nodev = key == "nodev";
    } else if (key == "noexec" || key == "exec") {
      noexec = key == "noexec";
    } else if (key == "mode" && !value.empty() && value.size() <= 5 &&
               value.find_first_not_of("01234567") == value.npos) {
      mode = value;
    } else if (key == "size") {
      const auto bytes = parse_size(value);
      if (!bytes || *bytes <= 0) {
        return Error(ErrorCode::invalid_argument, "tmpfs: invalid size \"" + std::string(value) + "\"");
      }
      size = *bytes;
    } else {
      return Error(ErrorCode::invalid_argument, "tmpfs: unsupported option \"" + std::string(option) + "\"");
    }
  }
  std::vector<std::string> out;
  if (nosuid) out.emplace_back("nosuid");
  if (nodev) out.emplace_back("nodev");
  if (noexec) out.emplace_back("noexec");
  if (read_only) out.emplace_back("ro");
  out.push_back("mode=" + mode);
  if (size > 0) out.push_back("size=" + std::to_string(size));
  return out;
}

}  // namespace sandboxd::containerd
