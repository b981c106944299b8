// The control plane's core loop: inbox, turns, group commit.
//
// A turn takes what waits in the inbox, applies it to the state through pure decisions (orch/decisions.hpp), and makes
// all of it durable with ONE store transaction. Only then are callers answered, watchers told and effects released, so
// nobody ever acts on, or hears of, what a crash could take back. While the store works, the inbox fills: that is the
// group commit. News from nodes that come right behind a turn wait a moment for a caller's wish to share the next
// commit with, since that wish would have to wait for a commit of theirs. When the store fails, the turn is undone,
// writers get storage_failed, and observations wait for the next turn.
//
// One core thread. The engine refers to its ports until stop() has returned.
#pragma once

#include "aio/notifier.hpp"
#include "aio/task_group.hpp"
#include "base/histogram.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "orch/config.hpp"
#include "orch/decisions.hpp"
#include "orch/effects.hpp"
#include "orch/inbox.hpp"
#include "orch/node_links.hpp"
#include "orch/state.hpp"
#include "orch/watch_hub.hpp"
#include "ports/clock.hpp"
#include "ports/node_transport.hpp"
#include "ports/store.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sandboxd::orch {

struct EngineStats {
  std::uint64_t turns = 0;
  std::uint64_t commits = 0;
  std::uint64_t failed_commits = 0;
  std::uint64_t commands = 0;
  std::uint64_t observations = 0;
  Histogram commit_time;  // of the store's transactions, failed ones too
};

class Engine {
 public:
  // The ports outlive the engine. `seed` feeds uids and the jitter of pauses.
  Engine(boost::asio::any_io_executor executor, ports::Store& store, ports::NodeTransport& transport,
         ports::Clock& clock, OrchConfig config, std::uint64_t seed);
  ~Engine();  // after stop(), or when the executor never runs again
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Loads the truth, takes up what was under way, opens the node streams. Once. Errors: storage_failed, conflict.
  [[nodiscard]] Task<Result<void>> start();
  // Refuses new work, cancels calls to nodes, ends the turns in hand, ends watchers. Idempotent.
  [[nodiscard]] Task<void> stop();

  // Changes the state in a turn and returns when it is durable. `decide` runs inside the turn.
  template <class T>
  [[nodiscard]] Task<Result<T>> write(std::function<Result<T>(Engine&)> decide) {
    return inbox_.submit<T>(std::move(decide), true);
  }
  // Looks at the durable state, between turns.
  template <class T>
  [[nodiscard]] Task<Result<T>> read(std::function<Result<T>(Engine&)> look) {
    return inbox_.submit<T>(std::move(look), false);
  }

  // For `decide` and `look`. After start().
  [[nodiscard]] State& state() { return state_; }
  [[nodiscard]] Decisions& decisions() { return *decisions_; }
  [[nodiscard]] const std::shared_ptr<WatchHub>& hub() const { return hub_; }
  [[nodiscard]] const OrchConfig& config() const { return config_; }
  [[nodiscard]] const EngineStats& stats() const { return stats_; }
  [[nodiscard]] const State& state() const { return state_; }
  [[nodiscard]] std::size_t inbox_size() const { return inbox_.size(); }
  [[nodiscard]] std::size_t held_size() const { return held_.size(); }
  [[nodiscard]] std::size_t calls_to_nodes() const { return effects_.in_flight(); }
  // In `decide`: this turn writes to the store even if nothing changed.
  void demand_commit() { commit_demanded_ = true; }
  // Takes over what may change while it runs.
  ConfigReload reload(const OrchConfig& next);
  // Nothing waits and no turn is in hand: memory and store say the same.
  [[nodiscard]] bool is_idle() const { return !in_turn_ && inbox_.empty() && held_.empty(); }

 private:
  [[nodiscard]] Task<void> run();
  [[nodiscard]] Task<Result<void>> wait_for_work();
  [[nodiscard]] Task<void> turn();
  [[nodiscard]] bool has_work() const;
  [[nodiscard]] bool may_begin() const;
  [[nodiscard]] bool is_due(MonoTime now) const;
  void decide(std::vector<InboxItem>& items, bool hears);
  void publish(Released released);
  void note_commit();
  void retreat(const Error& failure);
  void perform(Effect effect);
  [[nodiscard]] std::vector<RosterEntry> roster(const NodeId& node) const;

  boost::asio::any_io_executor executor_;
  ports::Store& store_;
  ports::Clock& clock_;
  std::uint64_t seed_;
  OrchConfig config_;
  State state_;
  EngineStats stats_;
  std::shared_ptr<WatchHub> hub_;
  Inbox inbox_;
  Effects effects_;
  NodeLinks links_;
  std::unique_ptr<Decisions> decisions_;  // from start() on
  std::string unsaved_instance_;          // drawn by this start, not stored yet
  // Observations of turns that could not be stored, in order, and when to try them again.
  std::vector<Observation> held_;
  MonoTime retry_at_;
  MonoTime news_at_;  // until then what arrived is left waiting, unless a caller waits with it
  int failures_ = 0;  // of the store, in a row
  bool in_turn_ = false;
  bool commit_demanded_ = false;
  bool stopping_ = false;
  aio::TaskGroup loop_;
};

}  // namespace sandboxd::orch
