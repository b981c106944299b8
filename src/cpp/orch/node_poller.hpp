// Watches one node that has no watch stream (a stock sandboxd-o node) by asking it, and tells the engine what a stream
// would have told: reports, statuses, sandboxes that are gone; and how every health probe ended.
//
// The configured intervals are upper bounds. A node that is about to become Ready is probed again soon, and sandboxes
// that are being made are asked for at once and often. One question at a time a node and purpose; all nodes together
// share two bounded pools of questions, one for those that answer and one for those that did not answer the last time,
// so that dead nodes only ever wait for each other. Whatever is about to be called "gone" is asked for once more by
// itself, and one id that spoils a batch does not spoil the others. Core thread.
#pragma once

#include "aio/notifier.hpp"
#include "aio/semaphore.hpp"
#include "base/random.hpp"
#include "base/task.hpp"
#include "orch/inbox.hpp"
#include "ports/clock.hpp"
#include "ports/node_transport.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sandboxd::orch {

struct LinkSettings {
  Duration probe_timeout = std::chrono::seconds(3);  // also for opening a stream
  Duration heartbeat_interval = std::chrono::seconds(10);
  Duration resource_interval = std::chrono::seconds(30);
  Duration status_interval = std::chrono::seconds(20);
  Duration status_timeout = std::chrono::seconds(5);
  std::size_t batch_size = 50;
  std::int64_t ready_threshold = 2;

  friend bool operator==(const LinkSettings&, const LinkSettings&) = default;
};

// A sandbox that the control plane believes to be on the node.
struct RosterEntry {
  SandboxId id;
  std::string uid;
  bool ask = false;        // the node has taken it on: what it says of the id is about this life
  bool under_way = false;  // something is about to change
};
using Roster = std::function<std::vector<RosterEntry>(const NodeId&)>;

// What all links share. Outlives them.
struct LinkContext {
  LinkContext(boost::asio::any_io_executor on, ports::NodeTransport& to, ports::Clock& time, Inbox& into,
              LinkSettings chosen, Roster asked, std::uint64_t seed);

  boost::asio::any_io_executor executor;
  ports::NodeTransport& transport;
  ports::Clock& clock;
  Inbox& inbox;
  LinkSettings settings;
  Roster roster;
  Random random;
  aio::Semaphore answering;  // questions to nodes that answered the last time
  aio::Semaphore failing;    // and to the others
  // Between seven eighths of `length` and all of it.
  [[nodiscard]] Duration jittered(Duration length);
};

class NodePoller {
 public:
  NodePoller(LinkContext& context, NodeId node, model::NodeAddress address, std::uint64_t generation);

  // Two coroutines, for as long as the node is polled.
  [[nodiscard]] Task<void> watch_health();
  [[nodiscard]] Task<void> watch_sandboxes();
  // The roster has changed.
  void wake();
  // Intervals have changed: the health is looked at now, and from then on as they say.
  void reconsider();

 private:
  using Entries = std::vector<RosterEntry>;

  template <class T>
  [[nodiscard]] Task<Result<T>> ask(Task<Result<T>> question, Duration limit, const char* what);
  [[nodiscard]] Task<void> sync_resources();
  [[nodiscard]] Task<void> look(Entries entries);
  // False when the node does not answer, so that there is no use in going on.
  [[nodiscard]] Task<bool> look_at_batch(Entries batch, std::vector<Entries>& rest);
  [[nodiscard]] Task<void> tell(const Entries& batch, ports::SandboxStatuses answer);
  [[nodiscard]] Task<void> settle(RosterEntry entry);
  [[nodiscard]] Task<void> sweep();
  [[nodiscard]] Task<void> rest(Duration length);
  [[nodiscard]] static Task<Result<void>> until_woken(NodePoller& poller, std::uint64_t seen);
  [[nodiscard]] static Task<Result<void>> until_reconsidered(NodePoller& poller, std::uint64_t seen);
  [[nodiscard]] std::vector<Entries> batches_of(const Entries& entries) const;
  [[nodiscard]] Task<void> say(model::NodeEvent event);
  void note(const Error& error);

  LinkContext& context_;
  NodeId node_;
  model::NodeAddress address_;
  std::uint64_t generation_;
  aio::Notifier woken_;
  std::uint64_t wakes_ = 0;
  aio::Notifier reconsidered_;
  std::uint64_t reconsiderations_ = 0;
  bool failed_ = false;                               // the last question was not answered
  std::int64_t successes_ = 0;                        // of the probe, in a row
  MonoTime next_resources_;                           // from then on they are old
  std::string refused_;                               // why the node does not serve us although it is well
  std::size_t batch_max_;                             // shrinks when the node cannot answer so many in time
  std::set<SandboxId> spoilers_;                      // ids that made a batch fail: asked for by themselves
  std::set<std::pair<SandboxId, std::string>> gone_;  // known not to be there: not asked for again
  std::string noted_;                                 // the last trouble that was logged
};

}  // namespace sandboxd::orch
