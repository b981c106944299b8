// A disk for simulated stores: what is durable, what is only written, and the faults to come. It outlives the store
// object, as a disk outlives a process: a simulated restart opens a new store on the same disk.
//
// A write is first only written, then synced; a store answers after the sync. crash() forgets what was not synced.
// Deterministic, one thread.
#pragma once

#include "base/error.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "ports/clock.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <utility>

namespace sandboxd::sim {

struct DiskFaults {
  std::uint64_t fail_nth_write = 0;  // 1: the next one fails; 0: none. Counts down and stays at 0 after the failure
  std::uint64_t fail_nth_sync = 0;
  bool full = false;                  // every write fails until there is room again
  Duration delay{};                   // between a write and its sync
  bool acknowledge_unsynced = false;  // a disk that lies: answers before the sync, which then never comes
};

template <class State>
class SimDisk {
 public:
  using Write = std::function<void(State&)>;

  DiskFaults faults;

  // Power loss or kill -9: what was not synced is gone, but for the first `kept` writes, which happened to reach the
  // disk. Stores that are open get storage_failed from now on; open new ones.
  void crash(std::size_t kept = 0) {
    for (std::size_t i = 0; i < kept && !unsynced_.empty(); ++i) sync_one();
    unsynced_.clear();
    ++epoch_;
    open_ = false;
  }

  // One store at a time; false when another one is open. The number that it gets belongs to its calls.
  [[nodiscard]] bool open(std::uint64_t& epoch) {
    if (open_) return false;
    open_ = true;
    epoch = ++epoch_;
    return true;
  }
  void close(std::uint64_t epoch) {
    if (epoch != epoch_) return;
    open_ = false;
    ++epoch_;
  }

  // What the running process reads: written, synced or not.
  [[nodiscard]] State read() const {
    State seen = durable_;
    for (const Write& write : unsynced_) write(seen);
    return seen;
  }
  [[nodiscard]] bool is_current(std::uint64_t epoch) const { return epoch == epoch_; }
  // What a crash at this moment would leave.
  [[nodiscard]] const State& durable() const { return durable_; }
  [[nodiscard]] std::size_t unsynced() const { return unsynced_.size(); }
  [[nodiscard]] std::uint64_t writes() const { return writes_; }

  // Writes, waits the delay, syncs. On an error nothing of it stays. `disk` outlives the call.
  [[nodiscard]] static Task<Result<void>> commit(SimDisk& disk, ports::Clock& clock, std::uint64_t epoch, Write write) {
    SBX_CO_CHECK(disk.begin(epoch));
    const std::uint64_t ticket = disk.first_ticket_ + disk.unsynced_.size();
    disk.unsynced_.push_back(std::move(write));
    if (disk.faults.acknowledge_unsynced) co_return Result<void>{};
    if (disk.faults.delay > Duration::zero()) {
      const MonoTime until = clock.mono_now() + disk.faults.delay;
      while (clock.mono_now() < until) co_await clock.sleep_until(until);
    }
    co_return disk.finish(epoch, ticket);
  }

 private:
  static Error gone() { return {ErrorCode::storage_failed, "the simulated disk was lost in a crash"}; }

  Result<void> begin(std::uint64_t epoch) {
    if (!is_current(epoch)) return gone();
    ++writes_;
    if (faults.full) return Error(ErrorCode::storage_failed, "the simulated disk is full");
    if (faults.fail_nth_write != 0 && --faults.fail_nth_write == 0) {
      return Error(ErrorCode::storage_failed, "the simulated disk failed a write");
    }
    return {};
  }

  // A sync covers everything written before it, so a ticket may be durable already.
  Result<void> finish(std::uint64_t epoch, std::uint64_t ticket) {
    if (!is_current(epoch)) return gone();
    if (ticket < first_ticket_) return {};
    if (faults.fail_nth_sync != 0 && --faults.fail_nth_sync == 0) {
      // Only this write is lost: the ones before it are still waiting for their own sync.
      unsynced_[static_cast<std::size_t>(ticket - first_ticket_)] = [](State&) {};
      return Error(ErrorCode::storage_failed, "the simulated disk failed a sync");
    }
    while (first_ticket_ <= ticket) sync_one();
    return {};
  }

  void sync_one() {
    unsynced_.front()(durable_);
    unsynced_.pop_front();
    ++first_ticket_;
  }

  State durable_;
  std::deque<Write> unsynced_;
  std::uint64_t first_ticket_ = 0;  // of unsynced_.front()
  std::uint64_t writes_ = 0;
  std::uint64_t epoch_ = 0;
  bool open_ = false;
};

}  // namespace sandboxd::sim
