// Images of this node for people: list, find, pull, remove, import. What creations need of images is the
// provisioner's, and what the disk needs is image_collector's. Core thread only.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "model/image.hpp"
#include "node/agent_core.hpp"
#include "ports/image_library.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sandboxd::node {

// Every function also fails with `unsupported` where the machine has no image library, and with `unavailable`.
class Images {
 public:
  explicit Images(AgentCore& core) : core_(core) {}

  // By digest.
  [[nodiscard]] Task<Result<std::vector<model::Image>>> list();
  // As ports::ImageLibrary::find().
  [[nodiscard]] Task<Result<model::Image>> find(std::string reference);
  // What pull() would refuse at once.
  [[nodiscard]] Result<void> check_reference(const std::string& reference) const;
  // As ports::ImageLibrary::pull().
  [[nodiscard]] Task<Result<model::Image>> pull(std::string reference,
                                                std::optional<model::RegistryCredentials> credentials);
  // How far the pull of that reference has come; nothing when there is none.
  [[nodiscard]] std::optional<model::PullProgress> pull_progress(const std::string& reference) const;
  // The name that is given, or the whole image with `force` or by a digest. Errors: not_found, conflict (a sandbox
  // uses it, and which one; it has several names and was given by digest), invalid_argument.
  [[nodiscard]] Task<Result<void>> remove(std::string reference, bool force);
  // As ports::ImageLibrary::begin_import(). imported() tells what came of it.
  [[nodiscard]] Result<std::unique_ptr<ports::ImageImport>> begin_import(ports::ImageImportRequest request);
  void imported(const std::string& reference, const ports::StoredImage& image);

 private:
  [[nodiscard]] Result<ports::ImageLibrary*> library() const;
  [[nodiscard]] std::string users_of(const std::string& digest) const;

  AgentCore& core_;
};

// As people see it: names without digests.
[[nodiscard]] model::Image image_of(const ports::StoredImage& stored);

}  // namespace sandboxd::node
