// Names that people can say: "<adjective>-<surname>", fit for host names.
#pragma once

#include "base/random.hpp"

#include <cstddef>
#include <string>

namespace sandboxd::orch::opensbx {

inline constexpr int kPlainNameDraws = 10;  // then names get four digits behind them

// The attempt-th draw, from 0 on. Never boring-wozniak.
[[nodiscard]] std::string draw_name(Random& random, int attempt);

[[nodiscard]] std::size_t adjective_count();
[[nodiscard]] std::size_t surname_count();

}  // namespace sandboxd::orch::opensbx
