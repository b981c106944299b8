// Sandboxes by their names alone, whoever owns them.
#include "orch/state.hpp"

namespace sandboxd::orch {

std::vector<SandboxRef> State::named(const std::string& name) const {
  std::vector<SandboxRef> found;
  // The table is by owner: from one owner to the next.
  for (auto at = names_.begin(); at != names_.end();) {
    const std::string owner = at->first.first;
    if (const auto place = names_.find({owner, name}); place != names_.end()) found.push_back(find(place->second));
    at = names_.lower_bound({owner + '\0', std::string()});
  }
  return found;
}

}  // namespace sandboxd::orch
