// Exits and out-of-memory events of the daemon's tasks, whoever owns them. Private to this folder.
//
// Opening ends only when the daemon is known to deliver: it is given a marker event until the marker comes back,
// because a subscription is not acknowledged otherwise. So what happens after open() is seen, and open() followed by a
// listing leaves no gap.
#pragma once

#include "aio/semaphore.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "containerd/context.hpp"
#include "ports/sandbox_runtime.hpp"

#include <deque>
#include <memory>

namespace sandboxd::containerd {

class EventFeed {
 public:
  explicit EventFeed(Context& context);

  // Does nothing when the stream is open. Errors: unavailable.
  [[nodiscard]] Task<Result<void>> open();
  // Opens when needed. After an error the stream is closed. Errors: unavailable.
  [[nodiscard]] Task<Result<ports::RuntimeEvent>> next();
  // Ends a next() that waits.
  void close();

 private:
  struct Marker;
  [[nodiscard]] Task<Result<void>> wait_for_marker(std::string nonce);
  static Task<void> publish_marker(Context* context, std::shared_ptr<Marker> marker);

  Context& context_;
  aio::Semaphore opening_;
  std::shared_ptr<ServerStream> stream_;
  bool ready_ = false;
  std::deque<ports::RuntimeEvent> backlog_;  // arrived while the marker was awaited
  std::uint64_t opened_ = 0;
};

}  // namespace sandboxd::containerd
