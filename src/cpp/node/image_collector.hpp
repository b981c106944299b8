// Removes images that nobody needs: those that were not used for long, and, when the disk fills, the ones that were not
// used for longest. Only what was pulled: it can be pulled again, and an import cannot. Core thread only.
//
// A creation that is about to use an image holds it (ports::ImageInfo::hold), so no creation fails for what is done
// here.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "node/agent_core.hpp"
#include "ports/sandbox_runtime.hpp"

#include <optional>
#include <string>
#include <vector>

namespace sandboxd::node {

// What may go: pulled, in no use, and last used before `now - min_age`. The longest unused first. Pure.
[[nodiscard]] std::vector<ports::StoredImage> unused_images(std::vector<ports::StoredImage> images, WallTime now,
                                                            Duration min_age);

class ImageCollector {
 public:
  explicit ImageCollector(AgentCore& core) : core_(core) {}

  // Looks at the disk every minute, and at the images' ages every ten, for ever.
  [[nodiscard]] Task<void> run();

 private:
  Task<Result<void>> collect_aged();
  Task<Result<void>> make_room();
  Task<Result<std::vector<ports::StoredImage>>> unused_for(Duration age);
  Task<void> remove(ports::StoredImage image, std::string_view why);
  // Used share of the disk; nothing when it cannot be told.
  [[nodiscard]] std::optional<std::int64_t> used_percent() const;

  AgentCore& core_;
  bool is_full_ = false;  // nothing more can be removed; said once
};

}  // namespace sandboxd::node
