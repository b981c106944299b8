// A disk for simulated stores: what is durable, what is only written, and the faults to come. It outlives the store
// object, as a disk outlives a process: a simulated restart opens a new store on the same disk.
//
// A write is first only written, then synced; a store answers after the sync. crash() forgets what was not synced;
// merely closing a store (kill -9 of its process) forgets nothing, since the system still has it.
// Deterministic, one thread.
#pragma once

#include "aio/shield.hpp"
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
  std::uint64_t fail_nth_write = 0;   // 1: the next one fails; counts down, and 0 is none
  std::uint64_t fail_nth_sync = 0;    // likewise
  bool full = false;                  // every write fails until there is room again
  Duration delay{};                   // between a write and its sync
  bool acknowledge_unsynced = false;  // a disk that lies: success without a sync, for tests of the checkers
};

template <class State>
class SimDisk {
 public:
  using Write = std::function<void(State&)>;

  DiskFaults faults;

  // Power loss: what was not synced is gone, but for the first `kept` writes, which happened to reach the disk. Stores
  // that are open get storage_failed from now on; open new ones.
  void crash(std::size_t kept = 0) {
    for (std::size_t i = 0; i < kept && !unsynced_.empty(); ++i) sync_one();
    unsynced_.clear();
    seen_ = durable_;
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
  // storage_failed for a store that a crash has cut off.
  [[nodiscard]] Result<void> check(std::uint64_t epoch) const {
    if (epoch == epoch_) return {};
    return Error(ErrorCode::storage_failed, "the simulated disk was lost in a crash");
  }

  // What the running process reads: written, synced or not.
  [[nodiscard]] const State& seen() const { return seen_; }
  // What a crash at this moment would leave.
  [[nodiscard]] const State& durable() const { return durable_; }
  [[nodiscard]] std::size_t unsynced() const { return unsynced_.size(); }
  [[nodiscard]] std::uint64_t writes() const { return writes_; }

  // Writes, waits the delay, syncs; a cancelled caller waits too. On an error nothing of it stays. `disk` and `clock`
  // outlive the call.
  [[nodiscard]] static Task<Result<void>> commit(SimDisk& disk, ports::Clock& clock, std::uint64_t epoch, Write write) {
    SBX_CO_CHECK(disk.begin(epoch));
    const std::uint64_t ticket = disk.first_ticket_ + disk.unsynced_.size();
    write(disk.seen_);
    disk.unsynced_.push_back(std::move(write));
    if (disk.faults.acknowledge_unsynced) co_return Result<void>{};
    if (disk.faults.delay > Duration::zero()) co_await aio::shield(clock.sleep_for(disk.faults.delay));
    co_return disk.finish(epoch, ticket);
  }

 private:
  Result<void> begin(std::uint64_t epoch) {
    SBX_CHECK(check(epoch));
    ++writes_;
    if (faults.full) return Error(ErrorCode::storage_failed, "the simulated disk is full");
    if (faults.fail_nth_write != 0 && --faults.fail_nth_write == 0) {
      return Error(ErrorCode::storage_failed, "the simulated disk failed a write");
    }
    return {};
  }

  // A sync covers everything written before it, so a ticket may be durable already.
  Result<void> finish(std::uint64_t epoch, std::uint64_t ticket) {
    SBX_CHECK(check(epoch));
    if (ticket < first_ticket_) return {};
    if (faults.fail_nth_sync != 0 && --faults.fail_nth_sync == 0) {
      // Only this write is taken back: those before it still wait for their own sync.
      unsynced_[static_cast<std::size_t>(ticket - first_ticket_)] = [](State&) {};
      seen_ = durable_;
      for (const Write& write : unsynced_) write(seen_);
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
  State seen_;
  std::deque<Write> unsynced_;
  std::uint64_t first_ticket_ = 0;  // of unsynced_.front()
  std::uint64_t writes_ = 0;
  std::uint64_t epoch_ = 0;
  bool open_ = false;
};

}  // namespace sandboxd::sim
