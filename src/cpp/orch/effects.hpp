// Calls to nodes that follow from durable decisions: creates and removes, and the comparison that ends a node's
// removal.
//
// How to talk to a node is known once its link was opened (set_link); until then its calls wait. A node that is polled
// knows no uids, so that every call to it begins by asking (orch/polled_calls.hpp).
//
// One lane a sandbox id and node: its calls there run one after another, so a remove waits for the create in flight,
// and what a delayed create leaves behind is found by the node's stream. Another life of the id, on another node, waits
// for none of them. At most kNodeCallsMax calls to one node at a time. Errors that leave the outcome unknown are
// retried with growing, jittered pauses for as long as the wish stands (a create is idempotent for its uid, a remove
// always); anything else goes to the engine as CreateDone or RemoveDone. Core thread.
#pragma once

#include "aio/semaphore.hpp"
#include "aio/task_group.hpp"
#include "base/random.hpp"
#include "orch/inbox.hpp"
#include "orch/state.hpp"
#include "ports/clock.hpp"
#include "ports/node_transport.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

namespace sandboxd::orch {

enum class LinkKind { unknown, streamed, polled };

class Effects {
 public:
  Effects(boost::asio::any_io_executor executor, ports::NodeTransport& transport, ports::Clock& clock, Inbox& inbox,
          Duration call_timeout, std::uint64_t seed);

  // For calls from now on.
  void set_call_timeout(Duration timeout) { call_timeout_ = timeout; }

  // Where a node is. Calls to an unknown node end: creates silently, removes as done.
  void set_address(const NodeId& node, model::NodeAddress address);
  void forget_node(const NodeId& node);

  void set_link(const NodeId& node, LinkKind kind);

  void create(SandboxRef sandbox);
  void remove(const SandboxId& id, const std::string& uid, const NodeId& node);
  // Comes after a create that is under way; a later wish, or a remove, takes its place.
  void change_life(const SendLife& wish);
  // A remove that is under way is ended, and its success told; one that waits for its turn or pauses is dropped.
  void cancel_remove(const SandboxId& id, const std::string& uid, const NodeId& node);
  void reconcile(const NodeId& node);
  // The node was heard again: whoever pauses before a retry on it tries now.
  void retry_now(const NodeId& node);

  void cancel() { calls_.cancel(); }
  [[nodiscard]] Task<void> join();
  [[nodiscard]] std::size_t in_flight() const { return calls_.size(); }

 private:
  enum class Kind { create, remove, life };
  struct Job {
    Kind kind = Kind::remove;
    SandboxId id;
    std::string uid;
    NodeId node;
    SandboxRef sandbox;                            // for a create
    ports::LifeVerb verb = ports::LifeVerb::stop;  // for a life
    std::int64_t order = 0;
    bool abandoned = false;  // not wanted any more: do not try again
    std::string last_error;  // already told
  };
  using LaneKey = std::pair<SandboxId, NodeId>;
  struct Lane {
    explicit Lane(boost::asio::any_io_executor executor) : kicked(std::move(executor)) {}
    std::deque<std::shared_ptr<Job>> jobs;  // the front one is being done
    aio::Notifier kicked;
    std::uint64_t kicks = 0;
  };

  // While it lives, news of the job's node wakes the job's lane.
  class Waiting;

  void enqueue(std::shared_ptr<Job> job);
  // False: what waits there makes it needless.
  [[nodiscard]] static bool make_way(const Lane& lane, const Job& job);
  [[nodiscard]] static const char* name_of(const Job& job);
  void kick(Lane& lane);
  [[nodiscard]] Task<void> drive(LaneKey key, std::shared_ptr<Lane> lane);
  [[nodiscard]] Task<void> perform(std::shared_ptr<Lane> lane, std::shared_ptr<Job> job);
  [[nodiscard]] Task<Result<void>> attempt(std::shared_ptr<Lane> lane, std::shared_ptr<Job> job);
  [[nodiscard]] static Task<Result<void>> refuse_life(std::shared_ptr<Job> job);
  [[nodiscard]] Task<Result<void>> call(std::shared_ptr<Job> job, model::NodeAddress address, LinkKind kind);
  [[nodiscard]] Task<void> send_reconcile(NodeId node);
  [[nodiscard]] LinkKind link_of(const NodeId& node) const;
  // Until the node's link is known, or the job has no node any more.
  [[nodiscard]] static Task<Result<void>> until_linked(Effects& effects, std::shared_ptr<Lane> lane,
                                                       std::shared_ptr<Job> job);
  [[nodiscard]] static Task<Result<void>> until_kicked(std::shared_ptr<Lane> lane, std::uint64_t seen);
  [[nodiscard]] Task<void> pause(std::shared_ptr<Lane> lane, std::shared_ptr<Job> job, int attempts);
  void finish(const Job& job, Result<void> outcome);

  boost::asio::any_io_executor executor_;
  ports::NodeTransport& transport_;
  ports::Clock& clock_;
  Inbox& inbox_;
  Duration call_timeout_;
  Random random_;
  std::map<NodeId, model::NodeAddress> addresses_;
  std::map<NodeId, LinkKind> links_;
  std::map<NodeId, std::shared_ptr<aio::Semaphore>> permits_;
  std::map<LaneKey, std::shared_ptr<Lane>> lanes_;
  std::map<NodeId, std::set<SandboxId>> waiting_;  // lanes that wait for news of this node, or to try it again
  aio::TaskGroup calls_;
};

}  // namespace sandboxd::orch
