// Images: found in containerd's store or pulled through its CRI plugin, read, and unpacked where an import did not do
// it. Private to this folder.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "containerd/context.hpp"
#include "containerd/image_document.hpp"
#include "containerd/image_keeper.hpp"
#include "containerd/image_puller.hpp"
#include "ports/image_library.hpp"
#include "ports/sandbox_runtime.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sandboxd::containerd {

class ImageStore {
 public:
  explicit ImageStore(Context& context) : context_(context), keeper_(context), puller_(context) {}

  // As ports::SandboxRuntime::ensure_image().
  [[nodiscard]] Task<Result<ports::ImageInfo>> ensure(std::string reference);

  // As ports::SandboxRuntime's functions of these names.
  [[nodiscard]] std::optional<model::PullProgress> pull_progress(const std::string& reference) const;
  [[nodiscard]] Task<Result<std::vector<ports::StoredImage>>> list();
  [[nodiscard]] Task<Result<void>> remove(std::string reference);

  // As ports::ImageLibrary's functions of these names.
  [[nodiscard]] Task<Result<ports::StoredImage>> pull(std::string reference,
                                                      std::optional<model::RegistryCredentials> credentials);
  [[nodiscard]] Task<Result<ports::StoredImage>> find(std::string reference);

  // Makes an image of what is in the content store, held by a lease of the caller: unpacked, then stored under `name`,
  // which then stands for it alone. Errors: image_failed (incomplete, for another machine), unavailable.
  [[nodiscard]] Task<Result<ports::StoredImage>> adopt(std::string name, BlobReference manifest);

  // The snapshot that a container of the image with this digest starts from; empty for an image without layers.
  // Errors: image_failed when the image is gone.
  [[nodiscard]] Task<Result<std::string>> base_snapshot(std::string digest);

 private:
  // What an image is made of, read from the content store. Immutable for a digest, hence kept.
  struct Content {
    ImageManifest manifest;
    ImageConfig config;
    std::vector<std::string> chain;
  };
  // The record, from a registry if need be.
  [[nodiscard]] Task<Result<wire::Image>> find_or_pull(std::string reference, std::string name);
  [[nodiscard]] Task<Result<std::shared_ptr<const Content>>> load(BlobReference target);
  [[nodiscard]] Task<Result<bool>> has_snapshot(std::string name);
  // From now on the manifest holds its config and layers.
  [[nodiscard]] Task<Result<void>> hold_parts(std::string digest, std::shared_ptr<const Content> content);
  [[nodiscard]] Task<Result<void>> unpack(std::shared_ptr<const Content> content);
  [[nodiscard]] Task<Result<void>> unpack_layer(std::shared_ptr<const Content> content, std::size_t layer,
                                                std::string lease);

  Context& context_;
  ImageKeeper keeper_;
  ImagePuller puller_;
  std::map<std::string, std::shared_ptr<const Content>> contents_;  // by digest of manifest or index
  std::uint64_t unpacks_ = 0;
};

}  // namespace sandboxd::containerd
