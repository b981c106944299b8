#include "http/target.hpp"

#include "http/text.hpp"

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace sandboxd::http {
namespace {

constexpr int kHttpPort = 80;
constexpr int kHttpsPort = 443;

bool has_malformed_escape(std::string_view path) {
  for (std::size_t at = path.find('%'); at != std::string_view::npos; at = path.find('%', at + 1)) {
    const auto is_hex = [&](std::size_t i) {
      return i < path.size() && std::isxdigit(static_cast<unsigned char>(path[i])) != 0;
    };
    if (!is_hex(at + 1) || !is_hex(at + 2)) return true;
  }
  return false;
}

// Query text is form-encoded: '+' stands for a space.
std::string decode_form(std::string_view text) {
  std::string spaced(text);
  std::ranges::replace(spaced, '+', ' ');
  return percent_decode(spaced);
}

void parse_query(std::string_view text, std::multimap<std::string, std::string>& query) {
  while (!text.empty()) {
    const std::size_t end = text.find('&');
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    const std::string_view value = equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1);
    query.emplace(decode_form(pair.substr(0, equals)), decode_form(value));
  }
}

// "http://" or "https://" in any case: its length, else 0.
std::size_t scheme_length(std::string_view text) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (equals_ignoring_case(text.substr(0, scheme.size()), scheme)) return scheme.size();
  }
  return 0;
}

bool is_ip_literal(const std::string& host) {
  boost::system::error_code error;
  boost::asio::ip::make_address(host, error);
  return !error;
}

}  // namespace

bool set_target(Request& request, std::string_view target) {
  request.target = target;
  if (const std::size_t scheme = scheme_length(target); scheme != 0) {
    target.remove_prefix(scheme);
    const std::size_t end = target.find_first_of("/?");
    request.headers.emplace("Host", target.substr(0, end));
    target = end == std::string_view::npos ? std::string_view() : target.substr(end);
    request.target = target.starts_with('/') ? std::string(target) : "/" + std::string(target);
  }
  const std::string_view rest = request.target;
  const std::size_t mark = rest.find('?');
  request.path = rest.substr(0, mark);
  if (mark != std::string_view::npos) parse_query(rest.substr(mark + 1), request.query);
  return !has_malformed_escape(request.path);
}

std::optional<Authority> parse_authority(std::string_view text, int default_port) {
  Authority result{{}, default_port};
  std::string_view host;
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    host = text.substr(1, close - 1);
    port = text.substr(close + 1);
    has_port = !port.empty();
    if (has_port && port.front() != ':') return std::nullopt;
    if (has_port) port.remove_prefix(1);
  } else {
    const std::size_t colon = text.find(':');
    host = text.substr(0, colon);
    has_port = colon != std::string_view::npos;
    if (has_port) port = text.substr(colon + 1);
  }
  if (host.empty()) return std::nullopt;
  if (has_port) {
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), result.port);
    if (error != std::errc() || end != port.data() + port.size()) return std::nullopt;
    if (result.port < 1 || result.port > 65535) return std::nullopt;
  }
  for (const char c : host) result.host += ascii_lower(c);
  return result;
}

std::string format_authority(std::string_view host, int port) {
  const bool is_v6 = host.find(':') != std::string_view::npos;
  std::string text;
  if (is_v6) text += '[';
  text += host;
  if (is_v6) text += ']';
  return text + ":" + std::to_string(port);
}

std::optional<std::string_view> refuse_origin(const Request& request, std::string_view own_address, HostNames names) {
  const std::string_view host_text = request.header("Host");
  std::optional<Authority> host;
  if (!host_text.empty()) {
    host = parse_authority(host_text, kHttpPort);
    if (!host) return "malformed Host header";
    const bool is_known = names == HostNames::any || host->host == "localhost" ||
                          equals_ignoring_case(host->host, own_address) || is_ip_literal(host->host);
    if (!is_known) {
      return "host name not allowed here: address this server by IP address or as localhost, or set a token";
    }
  }
  const auto [begin, end] = request.headers.equal_range(std::string_view("Origin"));
  for (auto origin = begin; origin != end; ++origin) {
    const std::string_view text = origin->second;
    const std::size_t scheme = scheme_length(text);
    const int default_port = scheme == std::string_view("https://").size() ? kHttpsPort : kHttpPort;
    const auto from = scheme == 0 ? std::nullopt : parse_authority(text.substr(scheme), default_port);
    // Neither side names a default port, so both are read with the one of the page's scheme.
    const auto to = parse_authority(host_text, default_port);
    if (!from || !to || *from != *to) return "requests of web pages from other origins are not served";
  }
  return std::nullopt;
}

}  // namespace sandboxd::http
