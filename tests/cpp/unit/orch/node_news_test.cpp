// What the log says when nodes do not answer: one by one, or many at once.
#include "orch/node_news.hpp"

#include "base/log.hpp"
#include "unit/orch/engine_fixture.hpp"

#include <gmock/gmock.h>

#include <vector>

namespace sandboxd::orch {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Warnings {
 public:
  Warnings() {
    set_log_observer([this](const LogRecord& record) {
      if (record.level >= LogLevel::warn) lines.emplace_back(record.line);
    });
  }
  ~Warnings() { set_log_observer({}); }
  Warnings(const Warnings&) = delete;
  Warnings& operator=(const Warnings&) = delete;

  std::vector<std::string> lines;
};

MonoTime at(int seconds) { return MonoTime() + std::chrono::seconds(seconds); }

TEST(NodeNews, a_few_are_told_one_by_one) {
  const Warnings warnings;
  NodeNews news;
  for (const char* id : {"a", "b", "a"}) news.tell(NodeId(id), "node is not ready", "refused", at(1));
  EXPECT_THAT(warnings.lines,
              ElementsAre(HasSubstr(R"("node":"a")"), HasSubstr(R"("node":"b")"), HasSubstr("refused")));
  EXPECT_FALSE(news.deadline());
}

TEST(NodeNews, many_at_once_are_told_in_one_line) {
  const Warnings warnings;
  NodeNews news;
  for (int n = 100; n < 1100; ++n) news.tell(NodeId("n" + std::to_string(n)), "node is not ready", "refused", at(1));
  EXPECT_EQ(warnings.lines.size(), 3U);
  ASSERT_TRUE(news.deadline());
  news.tell_rest(*news.deadline());
  ASSERT_EQ(warnings.lines.size(), 4U);
  EXPECT_THAT(warnings.lines[3],
              AllOf(HasSubstr(R"("count":997)"), HasSubstr("n1000, n1001, n1002, n1003, n1004 and 992 more"),
                    HasSubstr("refused")));
  news.tell(NodeId("n500"), "node is not ready", "again", at(100));
  EXPECT_EQ(warnings.lines.size(), 5U) << "a new time, a new line";
}

TEST(NodeNews, names_are_whole_when_they_are_few) {
  EXPECT_EQ(first_names({NodeId("a"), NodeId("b")}), "a, b");
  EXPECT_EQ(first_names({}), "");
}

class FleetStart : public EngineFixture {};

TEST_F(FleetStart, with_a_fleet_that_cannot_be_reached_says_so_in_a_few_lines) {
  constexpr int kNodes = 1000;
  start();
  for (int n = 0; n < kNodes; ++n) {
    UpsertNode request;
    request.id = NodeId("n" + std::to_string(n));
    request.address = {"10.0.0.1", 1000 + n};
    ASSERT_TRUE(
        run(engine_->write<NodeRef>([request](Engine& engine) { return engine.decisions().upsert_node(request); })));
  }
  stop();
  // As after a life in which all of them were well.
  store_ = *sim::SimStore::open(disk_, clock_);
  auto contents = run(store_->load()).value();
  ports::StoreTransaction well;
  well.revision = contents.revision;
  for (model::Node& node : contents.nodes) {
    node.state = model::NodeState::ready;
    node.failure_streak = 0;
    well.changes.emplace_back(ports::PutNode{node});
  }
  ASSERT_TRUE(run(store_->apply(std::move(well))));
  store_.reset();

  const Warnings warnings;
  start();
  run_for(std::chrono::minutes(5));
  EXPECT_EQ(node("n500")->state, model::NodeState::not_ready);
  ASSERT_EQ(warnings.lines.size(), 7U) << "three nodes by name, twice, and the others together";
  EXPECT_THAT(warnings.lines.back(), AllOf(HasSubstr(R"("count":997)"), HasSubstr("and 992 more")));
}

}  // namespace
}  // namespace sandboxd::orch
