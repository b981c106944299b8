#include "containerd/registry_auth.hpp"

#include <boost/json.hpp>

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sandboxd::containerd {

namespace json = boost::json;

namespace {

constexpr std::size_t kFileBytesMax = std::size_t{1} << 20;

class File {
 public:
  explicit File(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

std::string text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::optional<std::string> decode_base64(std::string_view text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string out;
  unsigned bits = 0;
  int count = 0;
  for (const char c : text) {
    const auto digit = kDigits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = (bits << 6 | static_cast<unsigned>(digit)) & 0xffffU;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(static_cast<char>(bits >> count & 0xffU));
  }
  return out;
}

// "https://index.docker.io/v1/" -> "docker.io"; others lose scheme, version and slashes at the end.
std::string plain_key(std::string_view key) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (key.starts_with(scheme)) key.remove_prefix(scheme.size());
  }
  while (key.ends_with('/')) key.remove_suffix(1);
  for (const std::string_view version : {"/v1", "/v2"}) {
    if (key.ends_with(version)) key.remove_suffix(version.size());
  }
  if (key == "index.docker.io") return "docker.io";
  return std::string(key);
}

Result<RegistryAuth> read_entry(const json::object& entry, const std::string& key) {
  RegistryAuth auth;
  auth.username = text_of(entry, "username");
  auth.password = text_of(entry, "password");
  auth.identity_token = text_of(entry, "identitytoken");
  auth.registry_token = text_of(entry, "registrytoken");
  if (const std::string both = text_of(entry, "auth"); !both.empty()) {
    const auto decoded = decode_base64(both);
    const auto colon = decoded ? decoded->find(':') : std::string::npos;
    if (colon == std::string::npos) {
      return Error(ErrorCode::invalid_argument, "\"auth\" of \"" + key + "\" is not the base64 form of user:password");
    }
    auth.username = decoded->substr(0, colon);
    auth.password = decoded->substr(colon + 1);
    while (auth.password.ends_with('\0')) auth.password.pop_back();  // as docker does
  }
  return auth;
}

bool is_empty(const RegistryAuth& auth) {
  return auth.username.empty() && auth.identity_token.empty() && auth.registry_token.empty();
}

bool has_helper(const json::object& config, const std::string& registry) {
  if (!text_of(config, "credsStore").empty()) return true;
  const json::value* helpers = config.if_contains("credHelpers");
  if (helpers == nullptr || !helpers->is_object()) return false;
  for (const auto& helper : helpers->get_object()) {
    if (plain_key(helper.key()) == registry) return true;
  }
  return false;
}

}  // namespace

std::string registry_of(std::string_view name) { return std::string(name.substr(0, name.find('/'))); }

Result<std::string> read_auth_file(const std::string& path) {
  const File file(path);
  if (file.get() < 0) return errno_error(errno, "open " + path);
  struct stat facts{};
  if (fstat(file.get(), &facts) != 0) return errno_error(errno, "look at " + path);
  if (!S_ISREG(facts.st_mode)) return Error(ErrorCode::invalid_argument, path + " is not a file");
  if (facts.st_uid != 0 && facts.st_uid != geteuid()) {
    return Error(ErrorCode::permission_denied, path + " belongs to another user: chown root " + path);
  }
  if ((facts.st_mode & (S_IRWXO | S_IWGRP)) != 0) {
    return Error(ErrorCode::permission_denied, path + " is open to other users: chmod 600 " + path);
  }
  std::string text;
  std::array<char, 16384> buffer;
  for (;;) {
    const ssize_t got = read(file.get(), buffer.data(), buffer.size());
    if (got < 0) return errno_error(errno, "read " + path);
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
    if (text.size() > kFileBytesMax) return Error(ErrorCode::too_large, path + " is over 1 MiB");
  }
}

Result<std::optional<RegistryAuth>> find_credentials(std::string_view config_json, std::string_view name) {
  boost::system::error_code ec;
  const json::value document = json::parse(config_json, ec);
  if (ec || !document.is_object()) return Error(ErrorCode::invalid_argument, "it is not a JSON object");
  const json::object& config = document.get_object();
  const std::string registry = registry_of(name);
  std::optional<RegistryAuth> best;
  std::size_t best_length = 0;
  const json::value* auths = config.if_contains("auths");
  if (auths != nullptr && auths->is_object()) {
    for (const auto& entry : auths->get_object()) {
      const std::string key = plain_key(entry.key());
      const bool fits = key == registry || (name.starts_with(key + "/") && key.size() > registry.size());
      if (!fits || key.size() < best_length || !entry.value().is_object()) continue;
      SBX_TRY(auth, read_entry(entry.value().get_object(), std::string(entry.key())));
      if (is_empty(auth)) continue;  // as docker writes it when a helper has the rest
      best = std::move(auth);
      best_length = key.size();
    }
  }
  if (!best && has_helper(config, registry)) {
    return Error(ErrorCode::unsupported, "a credential helper has the credentials of " + registry +
                                             ", and helpers are not run: put \"auth\" for it under \"auths\"");
  }
  return best;
}

bool is_refusal(std::string_view pull_text) {
  for (const std::string_view sign : {"401 Unauthorized", "403 Forbidden", "authorization failed", "access denied",
                                      "failed to authorize", "no basic auth credentials", "unauthorized"}) {
    if (pull_text.find(sign) != std::string_view::npos) return true;
  }
  return false;
}

std::string explain_refusal(std::string_view name, const AuthLookup& lookup) {
  const std::string registry = registry_of(name);
  if (lookup.found) return "the registry " + registry + " refused the credentials that " + lookup.file + " has for it";
  if (!lookup.problem.empty()) {
    return "the registry " + registry +
           " wants credentials, and registry_auth_file could not be used: " + lookup.problem;
  }
  if (lookup.file.empty()) {
    return "the registry " + registry +
           " wants credentials: put them into a file in the format of docker's config.json and name it in the node's "
           "setting registry_auth_file";
  }
  return "the registry " + registry + " wants credentials, and " + lookup.file +
         " has none for it: add them under \"auths\"";
}

}  // namespace sandboxd::containerd
