// What is in containerd's image store, who uses it since when, and the removal of images. Private to this folder.
//
// An image here is all records with one digest: CRI stores a pulled image under its tag, its digest and its config's
// digest, and the disk space is free when the last of them is gone. Two labels on the records tell what a restart would
// forget: the instance that pulled the image, and when it was last used. That label is written anew when it has
// become old, not at every use: a write costs a sync of the daemon's database.
#pragma once

#include "aio/notifier.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "containerd/context.hpp"
#include "containerd/wire.pb.h"
#include "ports/sandbox_runtime.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace sandboxd::containerd {

class ImageKeeper {
 public:
  explicit ImageKeeper(Context& context) : context_(context), changed_(context.executor) {}

  // The record of that name. Never one that is being removed: that removal's end is waited for. What is found stays as
  // long as the caller suspends nowhere before hold(). Errors: not_found.
  [[nodiscard]] Task<Result<wire::Image>> find(std::string name);
  // While a copy lives, remove() refuses the image.
  [[nodiscard]] std::shared_ptr<const void> hold(const std::string& digest);
  // Remembers the use, on disk too when the last note there has become old; and who pulled it.
  void used(const wire::Image& record, bool pulled_now);

  // Stores an import under its name, in the place of what had the name.
  [[nodiscard]] Task<Result<void>> add(std::string name, wire::Descriptor target);

  // Without what only the image's documents say.
  [[nodiscard]] Task<Result<std::vector<ports::StoredImage>>> list();
  // As ports::SandboxRuntime::remove_image(), of a normalised name, another name that is stored, or a digest.
  [[nodiscard]] Task<Result<void>> remove(std::string name);

 private:
  [[nodiscard]] Task<Result<std::map<std::string, std::vector<wire::Image>>>> records();  // by digest
  [[nodiscard]] Task<Result<std::set<std::string>>> names_of_containers();
  [[nodiscard]] bool is_held(const std::string& digest) const;
  [[nodiscard]] bool is_pulled(const std::vector<wire::Image>& records) const;
  [[nodiscard]] bool is_ours(const std::vector<wire::Image>& records) const;
  [[nodiscard]] WallTime last_used(const std::string& digest, const std::vector<wire::Image>& records) const;
  [[nodiscard]] Task<void> note(wire::Image record, bool pulled_now);
  [[nodiscard]] Task<Result<void>> remove_records(std::vector<std::string> names);
  [[nodiscard]] Task<Result<void>> remove_names(std::string digest, std::vector<std::string> names);

  Context& context_;
  aio::Notifier changed_;
  std::map<std::string, std::weak_ptr<const void>> holds_;  // by digest
  std::map<std::string, WallTime> used_;                    // by digest
  std::map<std::string, WallTime> noted_;                   // by digest: what the label says
  std::set<std::string> leaving_;                           // digests
  std::uint64_t removals_ = 0;                              // begun or ended
};

}  // namespace sandboxd::containerd
