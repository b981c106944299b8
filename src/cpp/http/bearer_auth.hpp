// The sandboxd-o way to authenticate: `Authorization: Bearer <token>`, the scheme word optional and case-insensitive,
// surrounding white space ignored. Compared in constant time.
#pragma once

#include "http/message.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxd::http {

// True when `given` equals `expected`, in a time that depends on the length of `given` only.
[[nodiscard]] bool equal_in_constant_time(std::string_view given, std::string_view expected);

// The token of an Authorization header, without its scheme word.
[[nodiscard]] std::string_view bearer_token(std::string_view header);

// The tokens that a listener accepts. None at all: everything is accepted, which callers allow on loopback listeners
// only. Core thread.
class TokenSet {
 public:
  TokenSet(std::string token, const std::vector<std::string>& more) { replace(std::move(token), more); }

  // An empty `token` leaves no token, whatever `more` says.
  void replace(std::string token, const std::vector<std::string>& more);
  [[nodiscard]] bool empty() const { return tokens_.empty(); }
  // In a time that does not tell which of them it was like.
  [[nodiscard]] bool accepts(std::string_view given) const;

 private:
  std::vector<std::string> tokens_;
};

// For ServerOptions::authenticate: refuses with 401 {"error":"unauthorized"} and the code "unauthenticated".
[[nodiscard]] std::function<std::optional<Response>(const Request&)> bearer_auth(
    std::shared_ptr<const TokenSet> tokens);

}  // namespace sandboxd::http
