// The images of a simulated machine: which are there, who brought them, who uses them. No time passes here.
#pragma once

#include "base/result.hpp"
#include "base/time.hpp"
#include "ports/sandbox_runtime.hpp"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace sandboxd::sim {

// Errors: invalid_argument.
[[nodiscard]] Result<std::string> normalise_image(const std::string& reference);

class MemoryImages {
 public:
  std::set<std::string> local;  // normalised names; a test may add to it, which is an import
  // Told of each name that is removed.
  std::function<void(const std::string& name)> on_removed;

  // The image is used now; it is not removed while the hold lives.
  [[nodiscard]] ports::ImageInfo use(const std::string& name, WallTime now);
  void pulled(const std::string& name);
  [[nodiscard]] std::vector<ports::StoredImage> list(const std::set<std::string>& in_use, WallTime now);
  // As ports::SandboxRuntime::remove_image().
  [[nodiscard]] Result<void> remove(const std::string& reference, const std::set<std::string>& in_use);

 private:
  struct Facts {
    bool is_pulled = false;
    WallTime last_used;
    std::weak_ptr<const void> hold;
  };
  std::map<std::string, Facts> facts_;  // by name
};

}  // namespace sandboxd::sim
