// What the contract suites of the stores need of an implementation: opening it again and again on the same contents,
// and, where it can be had, faults of the disk below.
#pragma once

#include "aio/system_clock.hpp"
#include "base/random.hpp"
#include "ports/node_store.hpp"
#include "ports/store.hpp"
#include "sim/sim_node_store.hpp"
#include "sim/sim_store.hpp"
#include "store/sqlite_node_store.hpp"
#include "store/sqlite_store.hpp"
#include "support/run_task.hpp"
#include "support/temp_dir.hpp"
#include "support/unsynced_vfs.hpp"

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sandboxd::test {

// One disk with one kind of store on it.
template <class Port>
class Harness {
 public:
  virtual ~Harness() = default;
  [[nodiscard]] virtual Result<std::unique_ptr<Port>> open() = 0;
  virtual void set_full(bool /*full*/) { FAIL() << "this disk has no faults"; }
  // Stores that are open are cut off; close them and open anew.
  virtual void lose_power() { FAIL() << "this disk has no faults"; }
};

template <class Port, class Store>
class FileHarness final : public Harness<Port> {
 public:
  Result<std::unique_ptr<Port>> open() override {
    SBX_TRY(store, Store::open({.path = directory_.path() + "/state.db"}));
    return std::unique_ptr<Port>(std::move(store));
  }

 private:
  TempDir directory_;
};

template <class Port, class Store>
class VfsHarness final : public Harness<Port> {
 public:
  Result<std::unique_ptr<Port>> open() override {
    if (vfs_.is_off()) vfs_.power_on(Survival::nothing, random_);
    SBX_TRY(store, Store::open({.path = directory_.path() + "/state.db", .vfs = vfs_.name()}));
    return std::unique_ptr<Port>(std::move(store));
  }
  void set_full(bool full) override { vfs_.set_full(full); }
  void lose_power() override { vfs_.cut_power(); }

 private:
  TempDir directory_;
  Random random_{1};
  UnsyncedVfs vfs_;
};

template <class Port, class Store, class Disk>
class SimHarness final : public Harness<Port> {
 public:
  Result<std::unique_ptr<Port>> open() override {
    SBX_TRY(store, Store::open(disk_, clock_));
    return std::unique_ptr<Port>(std::move(store));
  }
  void set_full(bool full) override { disk_->faults.full = full; }
  void lose_power() override { disk_->crash(); }

 private:
  aio::SystemClock clock_;
  std::shared_ptr<Disk> disk_ = std::make_shared<Disk>();
};

template <class Port>
struct Kind {
  std::string name;
  std::function<std::unique_ptr<Harness<Port>>()> make;
};

// Starts all of `tasks` in order and runs them to their ends; the outcomes stand in the same order.
inline std::vector<Result<void>> run_all(boost::asio::io_context& context, std::vector<Task<Result<void>>> tasks,
                                         const std::function<void()>& once_all_started = {}) {
  std::vector<Result<void>> outcomes(tasks.size());
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    boost::asio::co_spawn(context, std::move(tasks[i]), [&outcomes, i](std::exception_ptr e, Result<void> outcome) {
      if (e) std::rethrow_exception(e);
      outcomes[i] = std::move(outcome);
    });
  }
  context.restart();
  if (once_all_started) {
    while (context.poll() != 0) {
    }
    once_all_started();
  }
  context.run();
  return outcomes;
}

}  // namespace sandboxd::test
