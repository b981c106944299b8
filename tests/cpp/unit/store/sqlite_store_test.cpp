// What is SQLite's own about the stores: their columns, other processes. The promises that every store
// makes are in tests/cpp/contract/store.
#include "store/sqlite_store.hpp"

#include "store/migrations.hpp"
#include "store/sqlite_node_store.hpp"
#include "support/run_task.hpp"
#include "support/sample_model.hpp"
#include "support/temp_dir.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <unistd.h>

namespace sandboxd::store {
namespace {

using testing::HasSubstr;

class SqliteStores : public testing::Test {
 protected:
  Database::Options options() const { return {.path = directory_.path() + "/x.db"}; }
  // Instead of what was there.
  void put(const model::Sandbox& sandbox) {
    const auto store = SqliteStore::open(options()).value();
    ports::StoreTransaction transaction{{ports::EraseSandbox{sandbox.id}, ports::PutSandbox{sandbox}}, 1};
    ASSERT_TRUE(test::run_task(context_, store->apply(std::move(transaction))));
  }
  void change(const Schema& schema, const std::string& sql) {
    auto database = open_database(options(), schema).value();
    ASSERT_TRUE(database.execute(sql));
  }
  std::string text(const std::string& sql) {
    auto database = open_database(options(), control_plane_schema()).value();
    return database.query_text(sql).value();
  }

  test::TempDir directory_;
  boost::asio::io_context context_;
};

TEST_F(SqliteStores, a_database_of_the_first_schema_is_read_with_what_it_lacks_empty) {
  const Schema& now = control_plane_schema();
  const Schema first{now.name, now.application_id, now.steps.first(1)};
  change(
      first,
      "INSERT INTO nodes VALUES ('n', '192.0.2.1', 8081, '{}', 1, 'Ready', 'object', '', 'b', 2, 0, '{}', '(none)', 1, "
      "2, 3, 4)");
  const auto store = SqliteStore::open(options()).value();
  const auto contents = test::run_task(context_, store->load()).value();
  ASSERT_EQ(contents.nodes.size(), 1U);
  EXPECT_EQ(contents.nodes[0].id, NodeId("n"));
  EXPECT_EQ(contents.nodes[0].revision, 4);
  EXPECT_TRUE(contents.nodes[0].external_id.empty());
  EXPECT_FALSE(contents.nodes[0].external_created_at);
  EXPECT_TRUE(contents.answers.empty());
}

TEST_F(SqliteStores, a_sandbox_of_the_fifth_schema_is_read_and_ends_with_a_time_from_now_on) {
  model::Sandbox stopped = test::full_sandbox();
  put(stopped);
  // As the version before left it.
  change(control_plane_schema(), "ALTER TABLE sandboxes DROP COLUMN ended_at_ns; PRAGMA user_version = 5");
  {
    const auto store = SqliteStore::open(options()).value();
    const auto contents = test::run_task(context_, store->load()).value();
    ASSERT_EQ(contents.sandboxes.size(), 1U);
    EXPECT_EQ(contents.sandboxes[0].id, stopped.id);
    EXPECT_EQ(contents.sandboxes[0].spec, stopped.spec);
    EXPECT_FALSE(contents.sandboxes[0].ended_at);
  }
  EXPECT_EQ(text("PRAGMA user_version"), "6");
  stopped.ended_at = WallTime{1'700'000'000'000'000'007};
  put(stopped);
  const auto store = SqliteStore::open(options()).value();
  EXPECT_EQ(test::run_task(context_, store->load()).value().sandboxes.at(0).ended_at, stopped.ended_at);
}

TEST_F(SqliteStores, aspects_of_a_sandbox_have_columns_of_their_own) {
  put(test::full_sandbox());
  EXPECT_EQ(
      text("SELECT id || '|' || name || '|' || owner || '|' || dialect || '|' || desired || '|' || phase || '|' || "
           "memory_kept || '|' || node || '|' || ip FROM sandboxes"),
      "sbx-1|name-of-sbx-1|alice|opensbx|stopped|stopping|1|node-1|10.89.0.7");
  EXPECT_EQ(text("SELECT on_expiry || '|' || egress_mode || '|' || restart_policy || '|' || template_id || '|' || "
                 "runtime || '|' || request_cpu_milli || '|' || expires_at_ns FROM sandboxes"),
            "stop|allow_list|on_failure|python|runc|100|1700000002000000001");
  EXPECT_EQ(text("SELECT labels FROM sandboxes"), R"({"empty":"","team":"red"})");
  EXPECT_EQ(text("SELECT json_extract(ports, '$[0].host_port') FROM sandboxes"), "10080");
}

TEST_F(SqliteStores, another_store_on_the_file_is_refused_and_told_who_holds_it) {
  const auto first = SqliteStore::open(options()).value();
  const auto second = SqliteStore::open(options());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::conflict);
  EXPECT_THAT(second.error().message(),
              HasSubstr("database " + options().path + " is in use by process " + std::to_string(getpid())));
}

TEST_F(SqliteStores, somebody_may_read_the_file_while_it_is_in_use) {
  const auto store = SqliteStore::open(options()).value();
  ASSERT_TRUE(test::run_task(context_, store->apply({{ports::PutSandbox{test::full_sandbox()}}, 1})));
  const std::string command = "test \"$(python3 -c \"import sqlite3; print(sqlite3.connect('" + options().path +
                              "').execute('select id from sandboxes').fetchone()[0])\")\" = sbx-1";
  EXPECT_EQ(std::system(command.c_str()), 0);
}

// A call that is cancelled before it reaches the disk must not be carried there by a later one.
TEST_F(SqliteStores, a_call_cancelled_in_advance_leaves_nothing_behind) {
  const auto store = SqliteNodeStore::open(options()).value();
  boost::asio::cancellation_signal cancel;
  bool threw = false;
  const auto cancelled_put = [](SqliteNodeStore& nodes) -> Task<void> {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    co_await boost::asio::post(boost::asio::use_awaitable);
    co_await boost::asio::this_coro::throw_if_cancelled(true);
    const auto outcome = co_await nodes.put(test::full_node_sandbox("cancelled"));
    static_cast<void>(outcome);
  };
  boost::asio::co_spawn(
      context_, cancelled_put(*store),
      boost::asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr e) { threw = e != nullptr; }));
  context_.restart();
  context_.run_one();
  cancel.emit(boost::asio::cancellation_type::terminal);
  context_.run();
  EXPECT_TRUE(threw);
  ASSERT_TRUE(test::run_task(context_, store->put(test::full_node_sandbox("other"))));
  const auto contents = test::run_task(context_, store->load()).value();
  ASSERT_EQ(contents.sandboxes.size(), 1U);
  EXPECT_EQ(contents.sandboxes[0].id, SandboxId("other"));
}

}  // namespace
}  // namespace sandboxd::store
