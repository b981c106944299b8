// Damage in a database: of a row, which costs that row and is told; of the file, which stops the start.
#include "base/log.hpp"
#include "store/migrations.hpp"
#include "store/sqlite_node_store.hpp"
#include "store/sqlite_store.hpp"
#include "support/run_task.hpp"
#include "support/sample_model.hpp"
#include "support/temp_dir.hpp"

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace sandboxd::store {
namespace {

using model::Phase;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class DamagedStores : public testing::Test {
 protected:
  DamagedStores() {
    set_log_observer([this](const LogRecord& record) { lines_.emplace_back(record.line); });
  }
  ~DamagedStores() override { set_log_observer({}); }

  Database::Options options() const { return {.path = directory_.path() + "/x.db"}; }
  void apply(std::vector<ports::StoreChange> changes) {
    const auto store = SqliteStore::open(options()).value();
    ASSERT_TRUE(test::run_task(context_, store->apply({std::move(changes), 1, {}})));
  }
  void put(model::Sandbox sandbox) { apply({ports::PutSandbox(std::move(sandbox))}); }
  void put_on_node(const model::NodeSandbox& sandbox) {
    const auto store = SqliteNodeStore::open(options()).value();
    ASSERT_TRUE(test::run_task(context_, store->put(sandbox)));
  }
  void change(const Schema& schema, const std::string& sql) {
    auto database = open_database(options(), schema).value();
    ASSERT_TRUE(database.execute(sql)) << sql;
  }
  std::string text(const Schema& schema, const std::string& sql) {
    return open_database(options(), schema).value().query_text(sql).value();
  }
  ports::StoreContents load() {
    const auto store = SqliteStore::open(options()).value();
    return test::run_task(context_, store->load()).value();
  }
  ports::NodeStoreContents load_node() {
    const auto store = SqliteNodeStore::open(options()).value();
    return test::run_task(context_, store->load()).value();
  }

  test::TempDir directory_;
  boost::asio::io_context context_;
  std::vector<std::string> lines_;
};

model::Sandbox running(const std::string& id) {
  model::Sandbox sandbox = test::full_sandbox(id);
  sandbox.phase = Phase::running;
  sandbox.desired = model::Desired::running;
  return sandbox;
}

TEST_F(DamagedStores, a_damaged_row_is_named_and_costs_that_sandbox_alone) {
  for (const auto& [sql, problem] :
       {std::pair{"UPDATE sandboxes SET spec = '{\"v\":1,\"containers\":7}' WHERE id = 'b'", "containers: an array"},
        {"UPDATE sandboxes SET spec = '{\"v\":' WHERE id = 'b'", "malformed JSON"},
        {"UPDATE sandboxes SET spec = '{\"v\":99}' WHERE id = 'b'", "has version 99"},
        {"UPDATE sandboxes SET phase = 'odd' WHERE id = 'b'", "phase: unknown value \\\"odd\\\""},
        {"UPDATE sandboxes SET ports = '[{}]' WHERE id = 'b'", "ports[0].host_port: is required"}}) {
    apply({ports::PutSandbox(running("a")), ports::PutSandbox(running("b")), ports::PutSandbox(running("c"))});
    change(control_plane_schema(), sql);
    lines_.clear();
    const auto contents = load();
    ASSERT_EQ(contents.sandboxes.size(), 3U) << sql;
    EXPECT_EQ(contents.sandboxes[0], running("a"));
    EXPECT_EQ(contents.sandboxes[2], running("c"));
    EXPECT_EQ(contents.sandboxes[1].id, SandboxId("b"));
    EXPECT_EQ(contents.sandboxes[1].uid, running("b").uid);
    EXPECT_EQ(contents.sandboxes[1].node, running("b").node);
    EXPECT_EQ(contents.sandboxes[1].phase, Phase::failed);
    EXPECT_THAT(contents.sandboxes[1].last_error, HasSubstr("the record is damaged and was kept aside"));
    EXPECT_THAT(lines_, ElementsAre(AllOf(HasSubstr(R"("level":"error")"), HasSubstr(R"("table":"sandboxes","id":"b")"),
                                          HasSubstr(options().path), HasSubstr(problem))));
    apply({ports::EraseSandbox{SandboxId("b")}});
  }
}

TEST_F(DamagedStores, the_next_start_is_quiet_and_still_knows) {
  put(running("b"));
  change(control_plane_schema(), "UPDATE sandboxes SET spec = '{\"v\":99}'");
  const auto first = load();
  lines_.clear();
  const auto second = load();
  EXPECT_THAT(lines_, IsEmpty());
  EXPECT_EQ(second.sandboxes, first.sandboxes);
  ASSERT_EQ(second.damaged.size(), 1U);
  EXPECT_EQ(second.damaged[0].kind, "sandboxes");
  EXPECT_EQ(second.damaged[0].key, "b");
  EXPECT_THAT(second.damaged[0].reason, HasSubstr("record of sandbox b: has version 99"));
}

TEST_F(DamagedStores, what_is_kept_aside_puts_the_row_back_byte_for_byte) {
  put(running("b"));
  change(control_plane_schema(),
         "UPDATE sandboxes SET spec = 'it''s \xe2\x82\xac ' || CAST(x'ff0001' AS TEXT), last_error = x'80' || '',"
         "expires_at_ns = NULL");
  const std::string everything =
      "SELECT hex(spec) || '|' || hex(last_error) || '|' || hex(containers) || '|' || phase "
      "|| '|' || revision || '|' || ifnull(expires_at_ns, 'none') FROM sandboxes";
  const std::string before = text(control_plane_schema(), everything);
  static_cast<void>(load());
  EXPECT_NE(text(control_plane_schema(), everything), before);
  change(control_plane_schema(), text(control_plane_schema(), "SELECT row_sql FROM quarantine"));
  EXPECT_EQ(text(control_plane_schema(), everything), before);
  EXPECT_EQ(text(control_plane_schema(),
                 "SELECT source || key || (quarantined_at_ns > 1600000000000000000) "
                 "FROM quarantine"),
            "sandboxesb1");
}

TEST_F(DamagedStores, a_sandbox_that_was_going_goes_on_going) {
  model::Sandbox sandbox = running("b");
  sandbox.phase = Phase::deleting;
  put(sandbox);
  change(control_plane_schema(), "UPDATE sandboxes SET spec = ''");
  EXPECT_EQ(load().sandboxes.at(0).phase, Phase::deleting);
}

TEST_F(DamagedStores, how_a_sandbox_ends_is_known_without_its_spec) {
  put(running("b"));
  change(control_plane_schema(), "UPDATE sandboxes SET spec = ''");
  const model::Sandbox stand_in = load().sandboxes.at(0);
  EXPECT_EQ(stand_in.spec.on_expiry, model::OnExpiry::stop);
  EXPECT_EQ(stand_in.expires_at, running("b").expires_at);
}

TEST_F(DamagedStores, what_is_kept_aside_goes_with_the_sandbox) {
  put(running("b"));
  change(control_plane_schema(), "UPDATE sandboxes SET spec = ''");
  static_cast<void>(load());
  apply({ports::EraseSandbox{SandboxId("b")}});
  const auto contents = load();
  EXPECT_THAT(contents.sandboxes, IsEmpty());
  EXPECT_THAT(contents.damaged, IsEmpty());
}

TEST_F(DamagedStores, a_row_without_a_legible_id_leaves_nothing_but_its_quarantine) {
  put(running("b"));
  change(control_plane_schema(), "UPDATE sandboxes SET id = CAST(x'0102ff' AS TEXT), spec = ''");
  const auto contents = load();
  EXPECT_THAT(contents.sandboxes, IsEmpty());
  ASSERT_EQ(contents.damaged.size(), 1U);
  EXPECT_EQ(contents.damaged[0].key, "\x01\x02\xff");
  EXPECT_EQ(load().damaged.size(), 1U);
}

TEST_F(DamagedStores, a_damaged_node_keeps_its_address_and_takes_no_new_sandboxes) {
  apply({ports::PutNode{test::full_node()}});
  change(control_plane_schema(), "UPDATE nodes SET labels = '[]', unschedulable = 0");
  const auto contents = load();
  ASSERT_EQ(contents.nodes.size(), 1U);
  EXPECT_EQ(contents.nodes[0].address, test::full_node().address);
  EXPECT_TRUE(contents.nodes[0].unschedulable);
  EXPECT_THAT(contents.nodes[0].last_error, HasSubstr("uncordon"));
  ASSERT_EQ(contents.damaged.size(), 1U);
  EXPECT_EQ(contents.damaged[0].kind, "nodes");
}

TEST_F(DamagedStores, many_damaged_rows_do_not_flood_the_log) {
  std::vector<ports::StoreChange> changes;
  for (int i = 0; i < 150; ++i) changes.emplace_back(ports::PutSandbox(running("b" + std::to_string(i))));
  apply(std::move(changes));
  change(control_plane_schema(), "UPDATE sandboxes SET spec = '{\"v\":2}'");
  EXPECT_EQ(load().damaged.size(), 150U);
  EXPECT_EQ(lines_.size(), 101U);
  EXPECT_THAT(lines_.back(), HasSubstr("\"records\":150"));
}

TEST_F(DamagedStores, no_revision_is_handed_out_twice_when_the_last_one_is_lost) {
  put(running("b"));
  for (const char* damage : {"DELETE FROM meta", "UPDATE meta SET value = 'odd' WHERE key = 'revision'"}) {
    change(control_plane_schema(), std::string(damage) + "; UPDATE sandboxes SET revision = 77");
    EXPECT_EQ(load().revision, 77);
    const auto store = SqliteStore::open(options()).value();
    ASSERT_TRUE(test::run_task(context_, store->apply({{}, 80, {}})));
    EXPECT_EQ(test::run_task(context_, store->load()).value().revision, 80);
  }
}

TEST_F(DamagedStores, a_damaged_record_of_a_node_becomes_a_failed_sandbox_until_it_is_erased) {
  put_on_node(test::full_node_sandbox("a"));
  put_on_node(test::full_node_sandbox("b"));
  change(node_schema(), "UPDATE sandboxes SET record = '{\"v\":1}' WHERE id = 'b'");
  const auto contents = load_node();
  ASSERT_EQ(contents.sandboxes.size(), 2U);
  EXPECT_EQ(contents.sandboxes[0], test::full_node_sandbox("a"));
  const model::NodeSandbox& stand_in = contents.sandboxes[1];
  EXPECT_EQ(stand_in.uid, test::full_node_sandbox("b").uid);
  EXPECT_EQ(stand_in.slot, test::full_node_sandbox("b").slot);
  EXPECT_EQ(stand_in.phase, Phase::failed);
  EXPECT_THAT(stand_in.error, HasSubstr("id: is required"));
  EXPECT_THAT(lines_, ElementsAre(AllOf(HasSubstr(R"("id":"b")"), HasSubstr("id: is required"))));
  lines_.clear();
  EXPECT_EQ(load_node().damaged.size(), 1U);
  EXPECT_THAT(lines_, IsEmpty());
  {
    const auto store = SqliteNodeStore::open(options()).value();
    ASSERT_TRUE(test::run_task(context_, store->load()));
    ASSERT_TRUE(test::run_task(context_, store->erase({SandboxId("b"), "uid", {}})));
  }
  EXPECT_THAT(load_node().damaged, IsEmpty());
}

TEST_F(DamagedStores, a_file_that_is_no_database_stops_the_start_and_is_left_as_it_is) {
  const std::string rubbish(8192, 'x');
  std::ofstream(options().path) << rubbish;
  const auto failed = SqliteStore::open(options());
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::storage_failed);
  EXPECT_THAT(failed.error().message(),
              AllOf(HasSubstr(options().path), HasSubstr("restore a copy"), HasSubstr("move it away")));
  std::ifstream file(options().path);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), rubbish);
}

TEST_F(DamagedStores, a_damaged_page_stops_the_start) {
  std::vector<ports::StoreChange> changes;
  for (int i = 0; i < 200; ++i) changes.emplace_back(ports::PutSandbox(running("b" + std::to_string(i))));
  apply(std::move(changes));
  const auto size = std::filesystem::file_size(options().path);
  {
    std::fstream file(options().path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(size / 4096 / 2 * 4096));
    file << std::string(4096, '\xa5');
  }
  const auto failed = SqliteStore::open(options());
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message(), AllOf(HasSubstr(options().path), HasSubstr("restore a copy")));
}

}  // namespace
}  // namespace sandboxd::store
