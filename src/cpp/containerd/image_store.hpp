// Images: found in containerd's store or pulled through its CRI plugin, read, and unpacked where an import did not do
// it. Private to this folder.
#pragma once

#include "aio/notifier.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "containerd/context.hpp"
#include "containerd/image_document.hpp"
#include "ports/sandbox_runtime.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace sandboxd::containerd {

class ImageStore {
 public:
  explicit ImageStore(Context& context) : context_(context) {}

  // As ports::SandboxRuntime::ensure_image().
  [[nodiscard]] Task<Result<ports::ImageInfo>> ensure(std::string reference);

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
  // One pull that any number of callers wait for. It goes on when they give up.
  struct Pull {
    explicit Pull(const boost::asio::any_io_executor& executor) : changed(executor) {}
    aio::Notifier changed;
    std::optional<Result<void>> outcome;
  };

  // The digest that the name stands for. Errors: not_found.
  [[nodiscard]] Task<Result<BlobReference>> find(std::string name);
  [[nodiscard]] Task<Result<void>> pull(std::string name);
  [[nodiscard]] Task<void> run_pull(std::string name, std::shared_ptr<Pull> pull);
  [[nodiscard]] Task<Result<std::shared_ptr<const Content>>> load(BlobReference target);
  [[nodiscard]] Task<Result<std::string>> read_blob(std::string digest);
  [[nodiscard]] Task<Result<bool>> has_snapshot(std::string name);
  [[nodiscard]] Task<Result<void>> unpack(std::shared_ptr<const Content> content);
  [[nodiscard]] Task<Result<void>> unpack_layer(std::shared_ptr<const Content> content, std::size_t layer,
                                                std::string lease);

  Context& context_;
  std::map<std::string, std::shared_ptr<Pull>> pulls_;
  std::map<std::string, std::shared_ptr<const Content>> contents_;  // by digest of manifest or index
  std::uint64_t unpacks_ = 0;
};

}  // namespace sandboxd::containerd
