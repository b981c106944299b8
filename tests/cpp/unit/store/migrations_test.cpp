#include "store/migrations.hpp"

#include "support/temp_dir.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace sandboxd::store {
namespace {

using testing::HasSubstr;

constexpr const char* kFirst = "CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (1)";
constexpr const char* kSecond = "ALTER TABLE a ADD COLUMN y INTEGER NOT NULL DEFAULT 7";
constexpr const char* kBroken = "CREATE TABLE b (x INTEGER) STRICT; CREATE TABLE a (x INTEGER)";
constexpr std::array kOne{kFirst};
constexpr std::array kTwo{kFirst, kSecond};
constexpr std::array kWithBroken{kFirst, kBroken};

class Migrations : public testing::Test {
 protected:
  Database::Options options() const { return {.path = directory_.path() + "/x.db"}; }
  static Schema schema(std::span<const char* const> steps, std::int32_t id = 4711) { return {"test", id, steps}; }

  test::TempDir directory_;
};

TEST_F(Migrations, a_new_database_gets_every_step) {
  auto database = open_database(options(), schema(kTwo)).value();
  EXPECT_EQ(database.query_integer("SELECT y FROM a").value(), 7);
  EXPECT_EQ(database.query_integer("PRAGMA user_version").value(), 2);
  EXPECT_EQ(database.query_integer("PRAGMA application_id").value(), 4711);
}

TEST_F(Migrations, an_older_database_gets_the_steps_it_lacks_and_keeps_its_contents) {
  {
    ASSERT_TRUE(open_database(options(), schema(kOne)).value().execute("UPDATE a SET x = 5"));
  }
  auto database = open_database(options(), schema(kTwo)).value();
  EXPECT_EQ(database.query_integer("SELECT x + y FROM a").value(), 12);
}

TEST_F(Migrations, a_step_that_fails_leaves_the_step_before) {
  const auto failed = open_database(options(), schema(kWithBroken));
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message(), HasSubstr("schema step 2"));
  auto database = open_database(options(), schema(kOne)).value();
  EXPECT_EQ(database.query_integer("PRAGMA user_version").value(), 1);
  EXPECT_EQ(database.query_integer("SELECT count(*) FROM sqlite_schema WHERE name = 'b'").value(), 0);
}

TEST_F(Migrations, a_newer_database_is_refused_and_left_as_it_is) {
  {
    ASSERT_TRUE(open_database(options(), schema(kTwo)));
  }
  const auto failed = open_database(options(), schema(kOne));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::unsupported);
  EXPECT_THAT(failed.error().message(), HasSubstr("was written by a newer sandboxd (schema 2, this program knows 1)"));
  EXPECT_TRUE(open_database(options(), schema(kTwo)));
}

TEST_F(Migrations, the_database_of_another_role_or_program_is_refused) {
  {
    ASSERT_TRUE(open_database(options(), node_schema()));
  }
  const auto failed = open_database(options(), control_plane_schema());
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::unsupported);
  EXPECT_THAT(failed.error().message(), HasSubstr("is not a sandboxd control plane database"));
}

TEST_F(Migrations, a_foreign_database_is_not_touched) {
  {
    ASSERT_TRUE(Database::open(options()).value().execute("CREATE TABLE theirs (x)"));
  }
  EXPECT_EQ(open_database(options(), node_schema()).error().code(), ErrorCode::unsupported);
  auto database = Database::open(options()).value();
  EXPECT_EQ(database.query_text("PRAGMA journal_mode").value(), "delete");
  EXPECT_EQ(database.query_integer("PRAGMA user_version").value(), 0);
}

TEST_F(Migrations, every_table_of_ours_is_strict) {
  for (const Schema* ours : {&control_plane_schema(), &node_schema()}) {
    const test::TempDir directory;
    auto database = open_database({.path = directory.path() + "/x.db"}, *ours).value();
    EXPECT_EQ(database
                  .query_integer("SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND strict = 0 AND "
                                 "name NOT LIKE 'sqlite_%'")
                  .value(),
              0);
  }
}

}  // namespace
}  // namespace sandboxd::store
