// Tells watchers about every durable change, in order, without gaps.
//
// Events carry the revision of their change; revisions grow by one. The hub keeps the last kWatchHistoryEvents of this
// process; a watcher is a cursor into them, so a slow one costs nothing and is ended when the history overtakes it.
// Core thread only.
#pragma once

#include "aio/notifier.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "orch/refs.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>

namespace sandboxd::orch {

enum class WatchKind { sandbox_put, sandbox_gone, node_put, node_gone };
[[nodiscard]] std::string_view to_string(WatchKind kind);  // "sandbox_put", ...

struct WatchEvent {
  std::int64_t revision = 0;
  WatchKind kind = WatchKind::sandbox_put;
  SandboxRef sandbox;  // for sandbox_*: the new version; for sandbox_gone: the last one
  NodeRef node;        // for node_*
};

// Empty members do not restrict.
struct WatchFilter {
  std::optional<SandboxId> sandbox;
  std::optional<std::string> owner;
  bool sandboxes = true;
  bool nodes = true;
};

class WatchHub;

// One watcher. Destroy it to leave. `next` may be cancelled and called again; one call at a time.
class WatchStream {
 public:
  WatchStream(std::shared_ptr<WatchHub> hub, std::int64_t after, WatchFilter filter);
  ~WatchStream();
  WatchStream(const WatchStream&) = delete;
  WatchStream& operator=(const WatchStream&) = delete;

  // The next matching event. nullopt: ended, because this watcher fell behind the history or the control plane stops;
  // the client lists again and opens a new stream.
  [[nodiscard]] Task<std::optional<WatchEvent>> next();
  // Every event up to this revision was delivered or did not match.
  [[nodiscard]] std::int64_t seen() const { return cursor_; }

 private:
  std::shared_ptr<WatchHub> hub_;
  std::int64_t cursor_;
  WatchFilter filter_;
};

class WatchHub : public std::enable_shared_from_this<WatchHub> {
 public:
  // `revision`: of the state as it was loaded. Older events are unknown to this process.
  WatchHub(boost::asio::any_io_executor executor, std::int64_t revision);

  // Revisions must continue the sequence.
  void publish(std::vector<WatchEvent> events);
  // Ends every stream, now and later.
  void close();

  // Events after revision `after`; nullopt: from now on. Errors: not_found ("revision too old: ...", or "revision not
  // reached: ..." for one of the future, which another life of the database handed out), resource_exhausted (too many
  // watchers), unavailable (closed).
  [[nodiscard]] Result<std::shared_ptr<WatchStream>> open(std::optional<std::int64_t> after, WatchFilter filter);
  [[nodiscard]] std::int64_t revision() const { return last_; }
  [[nodiscard]] std::size_t watchers() const { return watchers_; }

 private:
  friend class WatchStream;

  aio::Notifier changed_;
  std::deque<WatchEvent> history_;
  std::int64_t last_;
  std::size_t watchers_ = 0;
  bool closed_ = false;
};

}  // namespace sandboxd::orch
