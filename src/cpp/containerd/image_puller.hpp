// Pulls through containerd's CRI plugin: shared by all who wait for one image, with the registry's credentials, within
// image_pull_timeout and the disk's reserve, and watched meanwhile. Private to this folder.
#pragma once

#include "aio/notifier.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "containerd/context.hpp"
#include "containerd/registry_auth.hpp"
#include "model/pull_progress.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace sandboxd::containerd {

// Whether images may still grow: resource_exhausted when the disk's reserve is reached.
[[nodiscard]] Result<void> check_disk(const Options& options);

class ImagePuller {
 public:
  explicit ImagePuller(Context& context) : context_(context) {}

  // Errors: image_failed "pull image \"<name>\": <cause>", unavailable. A pull goes on when its waiters give up.
  [[nodiscard]] Task<Result<void>> pull(std::string name);
  // With these credentials, shared with nobody: what they get wrong is nobody else's failure.
  [[nodiscard]] Task<Result<void>> pull(std::string name, RegistryAuth credentials);
  // As ports::SandboxRuntime::pull_progress(), of a normalised name.
  [[nodiscard]] std::optional<model::PullProgress> progress(const std::string& name) const;

 private:
  struct Pull {
    explicit Pull(const boost::asio::any_io_executor& executor) : changed(executor) {}
    aio::Notifier changed;
    std::optional<Result<void>> outcome;
    std::shared_ptr<model::PullProgress> progress = std::make_shared<model::PullProgress>();
  };

  using Credentials = std::optional<RegistryAuth>;  // nothing: those of registry_auth_file

  [[nodiscard]] std::shared_ptr<Pull> begin(const std::string& key, const std::string& name, Credentials credentials);
  [[nodiscard]] static Task<Result<void>> end_of(std::shared_ptr<Pull> pull);
  [[nodiscard]] Task<void> run(std::string key, std::shared_ptr<Pull> pull, Credentials credentials);
  [[nodiscard]] Task<Result<void>> pull_within_limits(std::string name, std::shared_ptr<model::PullProgress> progress,
                                                      Credentials credentials);
  [[nodiscard]] Task<Result<void>> ask_daemon(std::string name, Credentials credentials);
  // Until the disk is as full as pulls may make it; that is the error.
  [[nodiscard]] Task<Result<void>> watch(std::string name, std::shared_ptr<model::PullProgress> progress);
  [[nodiscard]] Task<AuthLookup> look_up_credentials(std::string name);

  Context& context_;
  std::map<std::string, std::shared_ptr<Pull>> pulls_;  // by name; with own credentials by name, a space and a number
  std::uint64_t private_pulls_ = 0;
};

}  // namespace sandboxd::containerd
