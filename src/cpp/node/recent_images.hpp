// The images that are ready on this node, as sandboxes name them: a hint for the scheduler, bounded, the latest used
// first. After a restart it knows those of the sandboxes that run. Core thread.
#pragma once

#include "base/limits.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace sandboxd::node {

class RecentImages {
 public:
  void used(const std::string& reference) {
    const auto known = std::find(images_.begin(), images_.end(), reference);
    if (known != images_.end()) {
      std::rotate(images_.begin(), known, known + 1);
      return;
    }
    changed_ = true;
    if (images_.size() >= limits::kNodeImagesMax) images_.pop_back();
    images_.insert(images_.begin(), reference);
  }
  void missing(const std::string& reference) {
    if (std::erase(images_, reference) > 0) changed_ = true;
  }

  [[nodiscard]] const std::vector<std::string>& list() const { return images_; }
  // Whether the set is another than at the last call. The order does not count.
  [[nodiscard]] bool take_changed() { return std::exchange(changed_, false); }

 private:
  std::vector<std::string> images_;
  bool changed_ = false;
};

}  // namespace sandboxd::node
