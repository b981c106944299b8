// Credentials of registries, in docker's configuration file: what is in it for an image, and what to tell a user whose
// pull a registry refused. Pure, apart from read_auth_file(). Secrets never get into a message.
#pragma once

#include "base/result.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace sandboxd::containerd {

// Either a user with a password, or a token.
struct RegistryAuth {
  std::string username;
  std::string password;
  std::string identity_token;
  std::string registry_token;
};

// Of a normalised reference: "docker.io", "127.0.0.1:5000".
[[nodiscard]] std::string registry_of(std::string_view name);

// The file's text. Blocks. Errors name the file and what to do: permission_denied when others can read or write it, or
// when it belongs to neither root nor this user.
[[nodiscard]] Result<std::string> read_auth_file(const std::string& path);

// From "auths": the entry of the registry, or the longest one that names a part of the repository too. Keys may have a
// scheme and docker's old "/v1/". Errors: invalid_argument for a document or an entry that cannot be read; unsupported
// when only a credential helper ("credsStore", "credHelpers") has the credentials.
[[nodiscard]] Result<std::optional<RegistryAuth>> find_credentials(std::string_view config_json, std::string_view name);

// Whether a registry's refusal is about who asks.
[[nodiscard]] bool is_refusal(std::string_view pull_text);

// What came of looking for credentials.
struct AuthLookup {
  std::string file;  // empty: none is configured
  std::optional<RegistryAuth> found;
  std::string problem;  // why the file was not used
};
// What to do about a refusal.
[[nodiscard]] std::string explain_refusal(std::string_view name, const AuthLookup& lookup);

}  // namespace sandboxd::containerd
