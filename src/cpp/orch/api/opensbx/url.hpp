// Addresses under which a sandbox's main port is reached through the reverse proxy. Pure.
#pragma once

#include <string>
#include <string_view>

namespace sandboxd::orch::opensbx {

// Trimmed of blanks and brackets; "localhost" when nothing is left.
[[nodiscard]] std::string normal_domain(std::string_view base_domain);
// localhost, *.localhost, or an address of the loopback interface.
[[nodiscard]] bool is_local_domain(std::string_view base_domain);
// `proxy_address` is the first listener's, such as ":3000" or "127.0.0.1:3000": its port stands in local addresses
// unless it is 80 or 443. Public domains get https and no port. Empty for an empty name.
[[nodiscard]] std::string sandbox_url(std::string_view name, std::string_view base_domain,
                                      std::string_view proxy_address);

}  // namespace sandboxd::orch::opensbx
