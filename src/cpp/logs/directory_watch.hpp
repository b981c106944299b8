// Tells when files in a directory were written, made or renamed. One inotify instance for all directories, because a
// user may have few (fs.inotify.max_user_instances). One thread: the executor's.
#pragma once

#include "base/result.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>
#include <string>

namespace sandboxd::logs {

class DirectoryWatch {
 public:
  explicit DirectoryWatch(boost::asio::any_io_executor executor);
  ~DirectoryWatch();
  DirectoryWatch(const DirectoryWatch&) = delete;
  DirectoryWatch& operator=(const DirectoryWatch&) = delete;

  // Ends the watching when destroyed; may outlive the DirectoryWatch.
  class Subscription {
   public:
    virtual ~Subscription() = default;
  };

  // Calls `changed` after every change from now on, at least once for several at once, and when the directory itself is
  // removed. Errors: not_found, resource_exhausted (the system's limit on watches), storage_failed.
  [[nodiscard]] Result<std::unique_ptr<Subscription>> watch(const std::string& path, std::function<void()> changed);

 private:
  class State;
  std::shared_ptr<State> state_;
  boost::asio::any_io_executor executor_;
};

}  // namespace sandboxd::logs
