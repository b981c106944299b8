// How far a pull has come, as containerd's content store tells: blobs that arrive ("ingests") and blobs that are there.
// Which layers to look at is known once the manifest has arrived: it carries the name of the registry and repository
// that it came from, and those of its layers, as labels. Private to this folder; one per pull.
#pragma once

#include "base/task.hpp"
#include "base/time.hpp"
#include "containerd/context.hpp"
#include "containerd/image_document.hpp"
#include "model/pull_progress.hpp"

#include <memory>
#include <set>
#include <string>
#include <vector>

namespace sandboxd::containerd {

class PullWatch {
 public:
  PullWatch(Context& context, std::string name, WallTime began);

  // Brings `progress` up to date. What cannot be found out stays as it was: this is for the eye.
  [[nodiscard]] Task<void> sample(std::shared_ptr<model::PullProgress> progress);

 private:
  // The manifest's digest; empty while it is not there.
  [[nodiscard]] Task<std::string> find_manifest();
  [[nodiscard]] Task<void> find_layers();
  [[nodiscard]] Task<bool> has_blob(std::string digest);

  Context& context_;
  std::string source_;
  std::string repository_;
  WallTime began_;
  std::vector<BlobReference> layers_;
  std::set<std::string> done_;  // digests
};

}  // namespace sandboxd::containerd
