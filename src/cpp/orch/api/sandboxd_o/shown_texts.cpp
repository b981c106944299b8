#include "orch/api/sandboxd_o/shown_texts.hpp"

#include "codec/json.hpp"
#include "orch/api/sandboxd_o/wire.hpp"

#include <algorithm>

namespace sandboxd::orch::sandboxd_o {

void ShownTexts::append(const SandboxRef& sandbox, std::string& out) {
  auto found = kept_.find(sandbox->id.str());
  if (found == kept_.end()) {
    if (kept_.size() >= kKeptMax) return codec::append_json(sandbox_object(*sandbox), out);
    found = kept_.try_emplace(sandbox->id.str()).first;
  }
  Shown& shown = found->second;
  if (shown.version != sandbox) {
    shown.text = codec::write_json(sandbox_object(*sandbox));
    shown.version = sandbox;
  }
  out += shown.text;
}

void ShownTexts::forget_gone() {
  if (kept_.size() < sweep_at_) return;
  // A version that nobody else holds is no sandbox's present one.
  std::erase_if(kept_, [](const auto& entry) { return entry.second.version.use_count() == 1; });
  sweep_at_ = std::min(2 * kept_.size() + 64, kKeptMax);
}

}  // namespace sandboxd::orch::sandboxd_o
