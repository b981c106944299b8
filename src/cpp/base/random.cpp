#include "base/random.hpp"

#include <random>

namespace sandboxd {

std::uint64_t seed_from_system() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) | device();
}

}  // namespace sandboxd
