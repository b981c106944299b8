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

class ImagePuller {
 public:
  explicit ImagePuller(Context& context) : context_(context) {}

  // Errors: image_failed "pull image \"<name>\": <cause>", unavailable. A pull goes on when its waiters give up.
  [[nodiscard]] Task<Result<void>> pull(std::string name);
  // As ports::SandboxRuntime::pull_progress(), of a normalised name.
  [[nodiscard]] std::optional<model::PullProgress> progress(const std::string& name) const;

 private:
  struct Pull {
    explicit Pull(const boost::asio::any_io_executor& executor) : changed(executor) {}
    aio::Notifier changed;
    std::optional<Result<void>> outcome;
    std::shared_ptr<model::PullProgress> progress = std::make_shared<model::PullProgress>();
  };

  [[nodiscard]] Task<void> run(std::string name, std::shared_ptr<Pull> pull);
  [[nodiscard]] Task<Result<void>> pull_within_limits(std::string name, std::shared_ptr<model::PullProgress> progress);
  [[nodiscard]] Task<Result<void>> ask_daemon(std::string name);
  // Until the disk is as full as pulls may make it; that is the error.
  [[nodiscard]] Task<Result<void>> watch(std::string name, std::shared_ptr<model::PullProgress> progress);
  [[nodiscard]] Task<AuthLookup> look_up_credentials(std::string name);
  [[nodiscard]] Result<void> check_disk() const;

  Context& context_;
  std::map<std::string, std::shared_ptr<Pull>> pulls_;
};

}  // namespace sandboxd::containerd
