#include "http/bearer_auth.hpp"

#include "http/wire.hpp"

#include <utility>

namespace sandboxd::http {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

bool equal_in_constant_time(std::string_view given, std::string_view expected) {
  std::size_t difference = given.size() ^ expected.size();
  for (std::size_t i = 0; i < given.size(); ++i) {
    // Wraps around in `expected`, so the time says nothing about its length.
    const char other = expected.empty() ? '\0' : expected[i % expected.size()];
    difference |= static_cast<unsigned char>(given[i] ^ other);
  }
  return difference == 0;
}

std::string_view bearer_token(std::string_view header) {
  header = trimmed(header);
  constexpr std::string_view kScheme = "bearer";
  if (header.size() <= kScheme.size()) return header;
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    if ((header[i] | 0x20) != kScheme[i]) return header;
  }
  if (header[kScheme.size()] != ' ' && header[kScheme.size()] != '\t') return header;
  return trimmed(header.substr(kScheme.size()));
}

void TokenSet::replace(std::string token, const std::vector<std::string>& more) {
  tokens_.clear();
  if (token.empty()) return;
  tokens_.push_back(std::move(token));
  for (const std::string& other : more) {
    if (!other.empty()) tokens_.push_back(other);
  }
}

bool TokenSet::accepts(std::string_view given) const {
  bool is_one = tokens_.empty();
  for (const std::string& token : tokens_) {
    const bool is_this = equal_in_constant_time(given, token);
    is_one = is_one || is_this;
  }
  return is_one;
}

std::function<std::optional<Response>(const Request&)> bearer_auth(std::shared_ptr<const TokenSet> tokens) {
  return [tokens = std::move(tokens)](const Request& request) -> std::optional<Response> {
    if (tokens->accepts(bearer_token(request.header("Authorization")))) return std::nullopt;
    Response response;
    response.status = 401;
    response.headers.emplace_back(kErrorHeader, error_name(401));
    response.body = R"({"error":"unauthorized"})";
    return response;
  };
}

}  // namespace sandboxd::http
