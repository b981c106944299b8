#include "store/db.hpp"

#include "store/statement.hpp"
#include "support/temp_dir.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sys/stat.h>

namespace sandboxd::store {
namespace {

using testing::HasSubstr;

class Db : public testing::Test {
 protected:
  Db() : path_(directory_.path() + "/x.db"), database_(Database::open({.path = path_}).value()) {
    database_.enable_log("FULL").value();
    database_.execute("CREATE TABLE t (k TEXT PRIMARY KEY, n INTEGER) STRICT").value();
  }

  test::TempDir directory_;
  std::string path_;
  Database database_;
};

TEST_F(Db, commits_are_synced_in_a_write_ahead_log) {
  EXPECT_EQ(database_.query_text("PRAGMA journal_mode").value(), "wal");
  EXPECT_EQ(database_.query_integer("PRAGMA synchronous").value(), 2);
  EXPECT_EQ(database_.query_integer("PRAGMA foreign_keys").value(), 1);
}

TEST_F(Db, files_are_for_their_owner_only) {
  database_.execute("INSERT INTO t VALUES ('secret', 1)").value();
  for (const char* suffix : {"", "-wal", "-shm", ".lock"}) {
    struct stat info{};
    ASSERT_EQ(stat((path_ + suffix).c_str(), &info), 0) << suffix;
    EXPECT_EQ(info.st_mode & 0777U, 0600U) << suffix;
  }
}

TEST_F(Db, a_failed_transaction_is_rolled_back) {
  const auto failed = database_.transaction([&]() -> Result<void> {
    SBX_CHECK(database_.execute("INSERT INTO t VALUES ('a', 1)"));
    return Error(ErrorCode::internal, "no");
  });
  EXPECT_EQ(failed.error().message(), "no");
  EXPECT_EQ(database_.query_integer("SELECT count(*) FROM t").value(), 0);
  EXPECT_TRUE(database_.transaction([&] { return database_.execute("INSERT INTO t VALUES ('a', 1)"); }));
  EXPECT_EQ(database_.query_integer("SELECT count(*) FROM t").value(), 1);
}

TEST_F(Db, values_are_bound_and_come_back) {
  auto insert = database_.prepare("INSERT INTO t VALUES (?1, ?2)").value();
  const std::string odd = "'); DROP TABLE t; --" + std::string(1, '\0') + "\xe2\x82\xac";
  EXPECT_TRUE(insert.run([&](Binder& bind) { bind.bind(odd).bind(std::int64_t{1} << 60); }));
  EXPECT_TRUE(insert.run([&](Binder& bind) { bind.bind(std::string_view()).bind(std::optional<WallTime>()); }));
  auto select = database_.prepare("SELECT k, n FROM t ORDER BY length(k)").value();
  std::vector<std::pair<std::string, std::optional<WallTime>>> rows;
  EXPECT_TRUE(select.each({}, [&](const Row& row) -> Result<void> {
    rows.emplace_back(row.text(0), row.optional_time(1));
    return {};
  }));
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0], (std::pair<std::string, std::optional<WallTime>>("", std::nullopt)));
  EXPECT_EQ(rows[1], (std::pair<std::string, std::optional<WallTime>>(odd, WallTime{std::int64_t{1} << 60})));
}

TEST_F(Db, a_statement_can_be_used_again_after_it_failed) {
  auto insert = database_.prepare("INSERT INTO t VALUES (?1, 1)").value();
  const auto put = [&](const char* key) { return insert.run([&](Binder& bind) { bind.bind(key); }); };
  EXPECT_TRUE(put("a"));
  const auto clash = put("a");
  ASSERT_FALSE(clash);
  EXPECT_THAT(clash.error().message(), HasSubstr(path_));
  EXPECT_TRUE(put("b"));
}

TEST_F(Db, errors_name_the_file_and_what_sqlite_said) {
  const auto failed = database_.execute("SELECT nonsense FROM nowhere");
  EXPECT_EQ(failed.error().code(), ErrorCode::storage_failed);
  EXPECT_THAT(failed.error().message(), HasSubstr("database " + path_));
  EXPECT_THAT(failed.error().message(), HasSubstr("no such table: nowhere"));
}

TEST(DbOpen, a_file_that_is_no_database_is_refused_with_advice) {
  const test::TempDir directory;
  const std::string path = directory.path() + "/x.db";
  std::ofstream(path) << std::string(5000, 'x');
  auto database = Database::open({.path = path}).value();
  const auto failed = database.enable_log("FULL");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::storage_failed);
  EXPECT_THAT(failed.error().message(), HasSubstr("restore a copy of it, or move it away"));
}

TEST(DbOpen, a_missing_directory_is_named) {
  const test::TempDir directory;
  const auto failed = Database::open({.path = directory.path() + "/none/x.db"});
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message(), HasSubstr(directory.path() + "/none/x.db"));
}

}  // namespace
}  // namespace sandboxd::store
