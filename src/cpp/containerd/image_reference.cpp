#include "containerd/image_reference.hpp"

#include <algorithm>
#include <cctype>

namespace sandboxd::containerd {

namespace {

constexpr std::size_t kLengthMax = 512;

bool is_lower_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_alnum(char c) { return is_lower_alnum(c) || (c >= 'A' && c <= 'Z'); }

// Lower-case letters and digits, with '.', '_', '__' or any number of '-' between them.
bool is_component(std::string_view text) {
  if (text.empty() || !is_lower_alnum(text.front()) || !is_lower_alnum(text.back())) return false;
  for (std::size_t i = 0; i < text.size();) {
    if (is_lower_alnum(text[i])) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < text.size() && !is_lower_alnum(text[end])) ++end;
    const std::string_view between = text.substr(i, end - i);
    const bool dashes = between.find_first_not_of('-') == std::string_view::npos;
    if (between != "." && between != "_" && between != "__" && !dashes) return false;
    i = end;
  }
  return true;
}

bool is_host(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  std::string_view name = text;
  if (colon != std::string_view::npos && !text.ends_with(']')) {
    const std::string_view port = text.substr(colon + 1);
    const bool digits =
        !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string_view::npos;
    if (!digits) return false;
    name = text.substr(0, colon);
  }
  if (name.starts_with('[') && name.ends_with(']')) {
    return name.find_first_not_of("[]:.0123456789abcdefABCDEF") == std::string_view::npos;
  }
  if (name.empty() || !is_alnum(name.front()) || !is_alnum(name.back())) return false;
  if (name.find("..") != std::string_view::npos) return false;
  return std::all_of(name.begin(), name.end(), [](char c) { return is_alnum(c) || c == '.' || c == '-'; });
}

bool is_tag(std::string_view text) {
  if (text.empty() || text.size() > 128) return false;
  if (!is_alnum(text.front()) && text.front() != '_') return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
}

bool is_digest(std::string_view text) {
  return text.size() == 71 && text.starts_with("sha256:") &&
         text.substr(7).find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Error invalid(std::string_view text, std::string_view why) {
  // Bounded and printable: the text comes from outside and goes into error messages.
  std::string shown;
  for (const char c : text.substr(0, 200)) shown.push_back(std::isprint(static_cast<unsigned char>(c)) ? c : '?');
  return Error(ErrorCode::invalid_argument, "invalid image reference \"" + shown + "\": " + std::string(why));
}

}  // namespace

Result<std::string> normalise_reference(std::string_view text) {
  if (text.empty()) return invalid(text, "it is empty");
  if (text.size() > kLengthMax) return invalid(text, "longer than 512 characters");

  std::string_view rest = text;
  std::string_view digest;
  if (const auto at = rest.find('@'); at != std::string_view::npos) {
    digest = rest.substr(at + 1);
    rest = rest.substr(0, at);
    if (!is_digest(digest)) return invalid(text, "the digest is not sha256: with 64 hex digits");
  }

  std::string host;
  if (const auto slash = rest.find('/'); slash != std::string_view::npos) {
    const std::string_view first = rest.substr(0, slash);
    if (first.find_first_of(".:") != std::string_view::npos || first == "localhost") {
      if (!is_host(first)) return invalid(text, "the registry's name is malformed");
      host = first;
      rest = rest.substr(slash + 1);
    }
  }

  std::string_view tag;
  if (const auto colon = rest.rfind(':'); colon != std::string_view::npos && rest.find('/', colon) == rest.npos) {
    tag = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
    if (!is_tag(tag)) return invalid(text, "the tag is malformed");
  }

  std::string_view left = rest;
  while (true) {
    const auto slash = left.find('/');
    const std::string_view component = left.substr(0, slash);
    if (!is_component(component)) {
      return invalid(text, "a name has lower-case letters, digits and single separators (. _ -) between them");
    }
    if (slash == std::string_view::npos) break;
    left = left.substr(slash + 1);
  }

  std::string path(rest);
  if (host.empty() || host == "index.docker.io") host = "docker.io";
  if (host == "docker.io" && path.find('/') == std::string::npos) path = "library/" + path;
  std::string name = host + "/" + path;
  if (!digest.empty()) return name + "@" + std::string(digest);
  return name + ":" + std::string(tag.empty() ? "latest" : tag);
}

}  // namespace sandboxd::containerd
