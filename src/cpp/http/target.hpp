// Request targets and authorities (RFC 9112 section 3.2, RFC 3986). Pure.
#pragma once

#include "http/message.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace sandboxd::http {

// Fills target, path and query; of an absolute target ("http://host/path") the Host header too. False when an escape in
// the path is malformed. Malformed escapes in the query stay as they are, as browsers send them.
[[nodiscard]] bool set_target(Request& request, std::string_view target);

struct Authority {
  std::string host;  // lower case, without the brackets of IPv6
  int port = 0;

  friend bool operator==(const Authority&, const Authority&) = default;
};

// "host", "host:port" or "[v6]:port". nullopt when it is none of them.
[[nodiscard]] std::optional<Authority> parse_authority(std::string_view text, int default_port);

// "10.0.0.1:80", "[::1]:80".
[[nodiscard]] std::string format_authority(std::string_view host, int port);

enum class HostNames { own, any };

// Why a request to a loopback listener must not be served, or nullopt. Without these checks any web page could drive a
// listener that needs no token: by sending requests to 127.0.0.1 (the Origin header names the page's own host), or by
// pointing its own name at 127.0.0.1 (DNS rebinding: the Host header carries that name). `own_address` is the address
// that the listener was given, which may be a name. Where a token is wanted any host name will do: a page that pointed
// its own name here does not know the token.
[[nodiscard]] std::optional<std::string_view> refuse_origin(const Request& request, std::string_view own_address,
                                                            HostNames names = HostNames::own);

}  // namespace sandboxd::http
