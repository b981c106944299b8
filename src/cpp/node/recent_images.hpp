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
  // `digest` may be empty: not known.
  void used(const std::string& reference, const std::string& digest) {
    const auto known = find(reference);
    if (known != images_.end()) {
      known->digest = digest;
      std::rotate(images_.begin(), known, known + 1);
      return;
    }
    changed_ = true;
    if (images_.size() >= limits::kNodeImagesMax) images_.pop_back();
    images_.insert(images_.begin(), {reference, digest});
  }
  void missing(const std::string& reference) {
    const auto known = find(reference);
    if (known == images_.end()) return;
    images_.erase(known);
    changed_ = true;
  }
  // By whatever names it was asked for.
  void removed(const std::string& digest) {
    if (std::erase_if(images_, [&digest](const Image& image) { return image.digest == digest; }) > 0) changed_ = true;
  }

  [[nodiscard]] std::vector<std::string> list() const {
    std::vector<std::string> references;
    references.reserve(images_.size());
    for (const Image& image : images_) references.push_back(image.reference);
    return references;
  }
  // Whether the set is another than at the last call. The order does not count.
  [[nodiscard]] bool take_changed() { return std::exchange(changed_, false); }

 private:
  struct Image {
    std::string reference;
    std::string digest;
  };
  [[nodiscard]] std::vector<Image>::iterator find(const std::string& reference) {
    return std::find_if(images_.begin(), images_.end(),
                        [&](const Image& image) { return image.reference == reference; });
  }

  std::vector<Image> images_;
  bool changed_ = false;
};

}  // namespace sandboxd::node
