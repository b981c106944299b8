// What of a message's header goes on to the other side, and what is for one connection only (RFC 9110, section 7.6.1).
// Pure.
#pragma once

#include "http/message.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxd::orch::proxy {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

// Without the headers of the connection, those that Connection names, Host and Content-Length, which whoever sends the
// message writes anew, and Expect, which is answered here. What is said of earlier hops (Forwarded, X-Forwarded-For,
// -Host, -Proto) comes from anybody and is left out, unless `trusts_peer`; then X-Forwarded-For is continued.
[[nodiscard]] HeaderList request_headers(const http::Request& request, bool trusts_peer);

// The same for an answer. Content-Type is left out too: it has a place of its own.
[[nodiscard]] HeaderList response_headers(const http::Headers& headers);

// The protocol that the request asks for instead of HTTP, or empty.
[[nodiscard]] std::string_view wanted_protocol(const http::Request& request);

}  // namespace sandboxd::orch::proxy
