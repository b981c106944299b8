// The SQLite stores against power loss and I/O errors at every point.
//
// One run: open a store on a disk that drops what was not synced, apply transactions, stop at a chosen operation of the
// disk, restart, and compare what is there with what was acknowledged. A checker compares; a planted fault (commits
// that are not synced) shows that it can find something.
#include "harness.hpp"
#include "support/sample_model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace sandboxd::test {
namespace {

using store::SqliteNodeStore;
using store::SqliteStore;

// The transactions of a run. Number i puts three sandboxes and takes one of the transaction before away, so that a
// transaction that was half applied shows.
struct Workload {
  int transactions = 8;
  std::size_t padding = 0;  // makes the log long enough for checkpoints
};

std::string id_of(int transaction, int part) { return std::to_string(transaction) + "." + std::to_string(part); }

ports::StoreTransaction transaction_of(const Workload& workload, int number) {
  ports::StoreTransaction out;
  for (int part = 0; part < 3; ++part) {
    model::Sandbox sandbox = full_sandbox(id_of(number, part));
    sandbox.last_error.append(workload.padding, 'x');
    out.changes.emplace_back(ports::PutSandbox{std::move(sandbox)});
  }
  out.changes.emplace_back(ports::EraseSandbox{SandboxId(id_of(number - 1, 0))});
  out.revision = number;
  return out;
}

std::vector<std::string> ids_after(int applied) {
  std::map<std::string, int> ids;
  for (int number = 1; number <= applied; ++number) {
    for (int part = 0; part < 3; ++part) ids[id_of(number, part)] = 1;
    ids.erase(id_of(number - 1, 0));
  }
  std::vector<std::string> out;
  for (const auto& [id, unused] : ids) out.push_back(id);
  return out;
}

// What is wrong with `contents` when transactions 1 to `acknowledged` were, and possibly one more was under way.
std::string violation(const ports::StoreContents& contents, int acknowledged, bool one_more) {
  std::vector<std::string> ids;
  for (const auto& sandbox : contents.sandboxes) {
    ids.push_back(sandbox.id.str());
    model::Sandbox expected = full_sandbox(sandbox.id.str());
    if (sandbox.spec != expected.spec) return "sandbox " + sandbox.id.str() + " came back changed";
  }
  if (ids == ids_after(acknowledged) && contents.revision == acknowledged) return "";
  if (one_more && ids == ids_after(acknowledged + 1) && contents.revision == acknowledged + 1) return "";
  return "after " + std::to_string(acknowledged) + " acknowledged: " + std::to_string(ids.size()) +
         " sandboxes, revision " + std::to_string(contents.revision);
}

class Machine {
 public:
  explicit Machine(std::string synchronous = "FULL") : synchronous_(std::move(synchronous)) {}

  Result<std::unique_ptr<SqliteStore>> open() {
    return SqliteStore::open({.path = directory_.path() + "/state.db", .vfs = vfs.name(), .synchronous = synchronous_});
  }
  Result<void> apply(SqliteStore& store, ports::StoreTransaction transaction) {
    return run_task(context_, store.apply(std::move(transaction)));
  }
  Result<ports::StoreContents> load(SqliteStore& store) { return run_task(context_, store.load()); }

  UnsyncedVfs vfs;

 private:
  std::string synchronous_;
  TempDir directory_;
  boost::asio::io_context context_;
};

struct RunResult {
  bool was_cut = false;
  std::string violation;
};

// Power goes before operation `cut` of the disk and comes back.
RunResult run_with_cut(const Workload& workload, std::uint64_t cut, Survival survival, const std::string& synchronous) {
  Machine machine(synchronous);
  Random random(cut);
  int acknowledged = 0;
  bool one_more = false;
  machine.vfs.cut_power_at(cut);
  if (auto opened = machine.open()) {
    for (int number = 1; number <= workload.transactions && !one_more; ++number) {
      if (machine.apply(**opened, transaction_of(workload, number))) {
        acknowledged = number;
      } else {
        one_more = true;
      }
    }
  }
  RunResult result;
  result.was_cut = machine.vfs.is_off();
  machine.vfs.cut_power();
  machine.vfs.power_on(survival, random);
  auto reopened = machine.open();
  if (!reopened) {
    result.violation = "cannot be opened again: " + reopened.error().message();
    return result;
  }
  const auto contents = machine.load(**reopened);
  result.violation = contents ? violation(*contents, acknowledged, one_more) : contents.error().message();
  if (!result.violation.empty()) return result;
  // The survivor must also work.
  const int last = static_cast<int>(contents->revision) + 1;
  if (!machine.apply(**reopened, transaction_of(workload, last))) result.violation = "does not take another one";
  return result;
}

// Cuts at every `stride`-th operation until a run ends before its cut. Returns what went wrong.
std::vector<std::string> cut_everywhere(const Workload& workload, std::uint64_t stride, Survival survival,
                                        const std::string& synchronous = "FULL") {
  std::vector<std::string> violations;
  for (std::uint64_t cut = 1;; cut += stride) {
    const RunResult result = run_with_cut(workload, cut, survival, synchronous);
    if (!result.violation.empty()) violations.push_back("cut at " + std::to_string(cut) + ": " + result.violation);
    if (!result.was_cut) return violations;
  }
}

constexpr Workload kSmall{.transactions = 8};
// About 40 pages of log a transaction, so that the log is checkpointed several times and begins anew.
constexpr Workload kLong{.transactions = 90, .padding = 50'000};

TEST(PowerLoss, every_acknowledged_transaction_survives_when_unsynced_bytes_are_lost) {
  EXPECT_THAT(cut_everywhere(kSmall, 1, Survival::nothing), testing::IsEmpty());
}

TEST(PowerLoss, every_acknowledged_transaction_survives_when_some_unsynced_sectors_arrive) {
  EXPECT_THAT(cut_everywhere(kSmall, 1, Survival::some), testing::IsEmpty());
}

TEST(PowerLoss, nothing_is_half_applied_when_all_unsynced_bytes_arrive) {
  EXPECT_THAT(cut_everywhere(kSmall, 1, Survival::everything), testing::IsEmpty());
}

TEST(PowerLoss, checkpoints_lose_nothing) {
  Machine machine;
  const auto store = machine.open().value();
  for (int number = 1; number <= kLong.transactions; ++number) {
    ASSERT_TRUE(machine.apply(*store, transaction_of(kLong, number)));
  }
  ASSERT_GE(machine.vfs.syncs("state.db"), 3U) << "the workload is too short to reach a checkpoint";
  EXPECT_THAT(cut_everywhere(kLong, 631, Survival::nothing), testing::IsEmpty());
  EXPECT_THAT(cut_everywhere(kLong, 677, Survival::some), testing::IsEmpty());
}

TEST(PowerLoss, commits_that_are_not_synced_are_found_by_the_check) {
  EXPECT_THAT(cut_everywhere(kSmall, 7, Survival::nothing, "OFF"), testing::Not(testing::IsEmpty()));
}

// Operation `number` of the disk fails once. The store must be right at once, go on, and be right after a power loss.
RunResult run_with_error(const Workload& workload, std::uint64_t number, Survival survival) {
  Machine machine;
  Random random(number);
  machine.vfs.fail_at(number);
  auto store = machine.open();
  if (!store) store = machine.open();  // the error is over
  RunResult result;
  if (!store) {
    result.violation = "cannot be opened after the error: " + store.error().message();
    return result;
  }
  int acknowledged = 0;
  bool failed_once = false;
  while (acknowledged < workload.transactions && result.violation.empty()) {
    if (machine.apply(**store, transaction_of(workload, acknowledged + 1))) {
      ++acknowledged;
      continue;
    }
    const auto contents = machine.load(**store);
    result.violation = contents ? violation(*contents, acknowledged, false) : contents.error().message();
    if (failed_once) result.violation = "failed again although the disk works";
    failed_once = true;
    if (survival == Survival::everything) break;  // what the refused commit left in the log must not come back
  }
  result.was_cut = machine.vfs.operations() >= number;
  machine.vfs.cut_power();
  store->reset();
  machine.vfs.power_on(survival, random);
  if (!result.violation.empty()) return result;
  auto reopened = machine.open();
  if (!reopened) {
    result.violation = "cannot be opened again: " + reopened.error().message();
    return result;
  }
  const auto contents = machine.load(**reopened);
  result.violation = contents ? violation(*contents, acknowledged, false) : contents.error().message();
  return result;
}

std::vector<std::string> fail_everywhere(const Workload& workload, std::uint64_t stride, Survival survival) {
  std::vector<std::string> violations;
  for (std::uint64_t number = 1;; number += stride) {
    const RunResult result = run_with_error(workload, number, survival);
    if (!result.violation.empty()) violations.push_back("error at " + std::to_string(number) + ": " + result.violation);
    if (!result.was_cut) return violations;
  }
}

TEST(DiskErrors, one_failed_operation_anywhere_applies_nothing_and_breaks_nothing) {
  EXPECT_THAT(fail_everywhere(kSmall, 1, Survival::nothing), testing::IsEmpty());
}

TEST(DiskErrors, a_refused_transaction_does_not_come_back_after_a_power_loss) {
  EXPECT_THAT(fail_everywhere(kSmall, 1, Survival::everything), testing::IsEmpty());
}

TEST(DiskErrors, one_failed_operation_of_a_checkpoint_breaks_nothing) {
  EXPECT_THAT(fail_everywhere(kLong, 911, Survival::nothing), testing::IsEmpty());
}

TEST(GroupCommit, calls_that_wait_for_the_disk_share_the_next_transaction) {
  UnsyncedVfs vfs;
  const TempDir directory;
  boost::asio::io_context context;
  const auto store = SqliteNodeStore::open({.path = directory.path() + "/node.db", .vfs = vfs.name()}).value();
  vfs.hold_syncs(true);
  std::vector<Task<Result<void>>> tasks;
  for (int i = 0; i < 64; ++i) tasks.push_back(store->put(full_node_sandbox("s" + std::to_string(i))));
  // The first transaction waits for its sync until all calls have been made.
  const auto outcomes = run_all(context, std::move(tasks), [&] { vfs.hold_syncs(false); });
  for (const auto& outcome : outcomes) EXPECT_TRUE(outcome);
  EXPECT_LE(store->commits(), 2U);
  EXPECT_EQ(run_task(context, store->load()).value().sandboxes.size(), 64U);
}

TEST(GroupCommit, power_loss_keeps_every_acknowledged_call) {
  for (std::uint64_t cut = 1;; ++cut) {
    UnsyncedVfs vfs;
    const TempDir directory;
    Random random(cut);
    boost::asio::io_context context;
    const store::Database::Options options{.path = directory.path() + "/node.db", .vfs = vfs.name()};
    std::map<std::string, bool> acknowledged;
    vfs.cut_power_at(cut);
    if (auto opened = SqliteNodeStore::open(options)) {
      for (int round = 0; round < 6; ++round) {
        std::vector<Task<Result<void>>> tasks;
        for (int i = 0; i < 4; ++i) tasks.push_back((*opened)->put(full_node_sandbox(id_of(round, i))));
        const auto outcomes = run_all(context, std::move(tasks));
        for (int i = 0; i < 4; ++i) {
          if (outcomes[static_cast<std::size_t>(i)]) acknowledged[id_of(round, i)] = true;
        }
      }
    }
    const bool was_cut = vfs.is_off();
    vfs.cut_power();
    vfs.power_on(Survival::some, random);
    const auto reopened = SqliteNodeStore::open(options).value();
    for (const auto& sandbox : run_task(context, reopened->load()).value().sandboxes) {
      EXPECT_EQ(sandbox, full_node_sandbox(sandbox.id.str()));
      acknowledged.erase(sandbox.id.str());
    }
    EXPECT_TRUE(acknowledged.empty()) << "cut at " << cut << ": lost " << acknowledged.begin()->first;
    if (!was_cut) break;
  }
}

}  // namespace
}  // namespace sandboxd::test
