#include "store/sqlite_command_store.hpp"

#include "support/run_task.hpp"
#include "support/temp_dir.hpp"

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace sandboxd::store {
namespace {

class CommandStoreTest : public testing::Test {
 protected:
  CommandStoreTest() { open({}); }
  void open(ports::CommandLimits limits) {
    store_.reset();
    store_ = SqliteCommandStore::open({.path = directory_.path() + "/commands.db"}, limits).value();
  }
  template <class T>
  T run(Task<T> task) {
    return test::run_task(context_, std::move(task));
  }
  model::Command command(const std::string& id) const {
    model::Command out;
    out.id = id;
    out.sandbox = sandbox_;
    out.container = "main";
    out.argv = {"sh", "-c", "echo 'ä\n'"};
    out.labels = {{"a", "b"}};
    out.started_at = WallTime{1'700'000'000'123'456'789};
    return out;
  }
  void add(const std::string& id) { ASSERT_TRUE(run(store_->add({command(id), "uid", "key"}))); }
  void finish(const std::string& id, std::string out) {
    model::Command ended = command(id);
    ended.exit_code = 0;
    ended.finished_at = ended.started_at;
    ASSERT_TRUE(run(store_->finish(ended, {std::move(out), "", 0, 0})));
  }

  test::TempDir directory_;
  boost::asio::io_context context_;
  SandboxId sandbox_{"box"};
  std::unique_ptr<SqliteCommandStore> store_;
};

TEST_F(CommandStoreTest, KeepsRecordsAndOutputOverARestart) {
  add("one");
  add("two");
  const std::string bytes("\0\xff out", 6);
  model::Command ended = command("one");
  ended.exit_code = 137;
  ended.signal = 9;
  ended.timed_out = true;
  ended.finished_at = WallTime{1'700'000'001'000'000'000};
  ended.stdout_bytes = 106;
  ASSERT_TRUE(run(store_->finish(ended, {bytes, "err", 100, 0})));
  open({});
  const auto unfinished = run(store_->unfinished());
  ASSERT_TRUE(unfinished);
  ASSERT_EQ(unfinished->size(), 1U);
  EXPECT_EQ(unfinished->front().command, command("two"));
  EXPECT_EQ(unfinished->front().key, "key");
  EXPECT_EQ(run(store_->get(sandbox_, "one"))->command, ended);
  const auto output = run(store_->output(sandbox_, "one"));
  EXPECT_EQ(output->stdout_bytes, bytes);
  EXPECT_EQ(output->stdout_begin, 100U);
  EXPECT_EQ(run(store_->list(sandbox_))->size(), 2U);
}

TEST_F(CommandStoreTest, AnIdIsTakenOnceInItsSandbox) {
  add("one");
  EXPECT_EQ(run(store_->add({command("one"), "uid", "key"})).error().code(), ErrorCode::already_exists);
}

TEST_F(CommandStoreTest, TheOldestFinishedGoFirst) {
  open({.commands = 3, .output_bytes = 1 << 20});
  add("runs");
  for (int i = 0; i < 10; ++i) {
    add(std::to_string(i));
    finish(std::to_string(i), "x");
  }
  std::vector<std::string> ids;
  for (const auto& one : *run(store_->list(sandbox_))) ids.push_back(one.id);
  EXPECT_EQ(ids, (std::vector<std::string>{"runs", "7", "8", "9"}));
}

TEST_F(CommandStoreTest, OutputBeyondTheLimitGoesAndIsMarked) {
  open({.commands = 100, .output_bytes = 250});
  for (int i = 0; i < 4; ++i) {
    add(std::to_string(i));
    finish(std::to_string(i), std::string(100, 'x'));
  }
  EXPECT_EQ(run(store_->output(sandbox_, "1"))->stdout_bytes, "");
  EXPECT_EQ(run(store_->output(sandbox_, "1"))->stdout_begin, 100U);
  EXPECT_EQ(run(store_->output(sandbox_, "3"))->stdout_bytes.size(), 100U);
}

TEST_F(CommandStoreTest, ErasedIsGone) {
  add("one");
  add("two");
  ASSERT_TRUE(run(store_->erase(sandbox_, "one")));
  EXPECT_EQ(run(store_->get(sandbox_, "one")).error().code(), ErrorCode::not_found);
  EXPECT_EQ(run(store_->sandboxes())->size(), 1U);
  ASSERT_TRUE(run(store_->erase_sandbox(sandbox_)));
  EXPECT_TRUE(run(store_->sandboxes())->empty());
  finish("two", "late");
  EXPECT_TRUE(run(store_->list(sandbox_))->empty());
}

}  // namespace
}  // namespace sandboxd::store
