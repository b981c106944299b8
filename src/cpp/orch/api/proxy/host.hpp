// The host name of a request to the reverse proxy. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sandboxd::orch::proxy {

// The one label before the base domain: "app" of "App.LOCALHOST:3000" with "localhost". nullopt for the base domain
// itself, for more labels, for other domains, for addresses, and for what is no host name. `host` is a Host header.
[[nodiscard]] std::optional<std::string> label_of(std::string_view host, std::string_view base_domain);

}  // namespace sandboxd::orch::proxy
