// Kubernetes resource quantities: "200m", "1.5", "256Mi", "2e3".
//
// Grammar after trimming: optional sign, decimal number ("1", ".5", "1."), then one of Ki Mi Gi Ti Pi Ei, n u m k M G T
// P E, nothing, or e/E with an integer. Source: the sandboxd-o orchestrator's behaviour.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sandboxd::model {

// ceil(quantity * 1000); saturates at the ends of int64. nullopt when malformed.
[[nodiscard]] std::optional<std::int64_t> parse_cpu_milli(std::string_view text);
// ceil(quantity) in bytes; saturates. nullopt when malformed.
[[nodiscard]] std::optional<std::int64_t> parse_bytes(std::string_view text);

[[nodiscard]] std::string format_cpu_milli(std::int64_t milli);  // "250m"
[[nodiscard]] std::string format_bytes(std::int64_t bytes);      // "256Mi", "1000"

}  // namespace sandboxd::model
