// The sentence about a host port that cannot be had. It is part of the node API (sandboxd-o's words): whoever finds out
// writes it, and the control plane reads the port from it, also from a stock node's, to choose another one. Pure.
#pragma once

#include "model/spec.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace sandboxd::model {

// "host port already in use: <port>/<proto> (<cause>)"
[[nodiscard]] std::string host_port_in_use(int port, Protocol protocol, std::string_view cause);
// "host port already reserved: <port>/<proto> (<cause>)"
[[nodiscard]] std::string host_port_reserved(int port, Protocol protocol, std::string_view cause);

// The port of a text that begins with one of the two sentences.
[[nodiscard]] std::optional<int> refused_host_port(std::string_view text);

}  // namespace sandboxd::model
