#include "orch/api/opensbx/names.hpp"

#include "orch/api/opensbx/name_words.hpp"

namespace sandboxd::orch::opensbx {

std::size_t adjective_count() { return kAdjectives.size(); }
std::size_t surname_count() { return kSurnames.size(); }

std::string draw_name(Random& random, int attempt) {
  std::string name;
  do {
    name = std::string(kAdjectives[random.below(kAdjectives.size())]) + "-" +
           std::string(kSurnames[random.below(kSurnames.size())]);
  } while (name == "boring-wozniak");  // Steve Wozniak is not boring
  if (attempt < kPlainNameDraws) return name;
  const std::string digits = std::to_string(random.below(10000));
  return name + "-" + std::string(4 - digits.size(), '0') + digits;
}

}  // namespace sandboxd::orch::opensbx
