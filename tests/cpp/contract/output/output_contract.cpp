#include "contract/output/output_contract.hpp"

#include <gmock/gmock.h>

#include <set>

namespace sandboxd::test {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::StartsWith;
using testing::UnorderedElementsAre;

const SandboxId kBox("box");
const SandboxId kOther("box-2");  // its name begins like the first one's

testing::Matcher<std::string> line(const std::string& container, const std::string& text) {
  return testing::AllOf(StartsWith(container + ": "), EndsWith(" stdout F " + text));
}

TEST_P(OutputContract, EachStreamOfEachContainerHasAPipeOfItsOwn) {
  const auto first = open(kBox, "web");
  const auto second = open(kBox, "db");
  const auto third = open(kOther, "web");
  const std::set<std::string> all{first.pipes().stdout_fifo,  first.pipes().stderr_fifo, second.pipes().stdout_fifo,
                                  second.pipes().stderr_fifo, third.pipes().stdout_fifo, third.pipes().stderr_fifo};
  EXPECT_EQ(all.size(), 6U);
  EXPECT_THAT(all, testing::Each(StartsWith("/")));
}

TEST_P(OutputContract, WhatWasPrintedIsReadAsCriLinesInItsOrder) {
  auto web = open(kBox, "web");
  web.say("one");
  web.say("two");
  web.say("");
  EXPECT_THAT(drained(kBox, "web"),
              ElementsAre(EndsWith("Z stdout F one"), EndsWith("Z stdout F two"), EndsWith("Z stdout F ")));
  web.complain("three");
  const auto lines = drained(kBox, "web");
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_THAT(lines[3], MatchesRegex("[0-9]+-[0-9]+-[0-9]+T[0-9:.]+Z stderr F three"));
}

TEST_P(OutputContract, ContainersDoNotMix) {
  auto web = open(kBox, "web");
  auto db = open(kBox, "db");
  auto other = open(kOther, "web");
  web.say("from web");
  db.say("from db");
  other.say("from the other");
  EXPECT_THAT(drained(kBox, "web"), ElementsAre(EndsWith("from web")));
  EXPECT_THAT(drained(kBox, "db"), ElementsAre(EndsWith("from db")));
  EXPECT_THAT(drained(kOther, "web"), ElementsAre(EndsWith("from the other")));
}

TEST_P(OutputContract, OpeningAgainGivesTheSamePipesAndLosesNothing) {
  auto first = open(kBox, "web");
  first.say("one");
  auto second = open(kBox, "web");
  EXPECT_EQ(first.pipes().stdout_fifo, second.pipes().stdout_fifo);
  EXPECT_EQ(first.pipes().stderr_fifo, second.pipes().stderr_fifo);
  second.say("two");
  EXPECT_THAT(drained(kBox, "web"), ElementsAre(EndsWith("one"), EndsWith("two")));
}

TEST_P(OutputContract, ThereIsNoLogOfWhatNeverPrinted) {
  EXPECT_EQ(read_error(kBox, "web"), ErrorCode::not_found) << "never opened";
  open(kBox, "web").say("a line");
  drained(kBox, "web");
  EXPECT_EQ(read_error(kBox, "db"), ErrorCode::not_found) << "another container of the sandbox";
  EXPECT_EQ(read_error(kOther, "web"), ErrorCode::not_found);
  open(kBox, "silent");
  EXPECT_TRUE(call(output().drain(kBox, "silent")));
  EXPECT_EQ(read_error(kBox, "silent"), ErrorCode::not_found) << "opened, but without output";
}

TEST_P(OutputContract, DrainingWhatIsNotThereSucceeds) {
  EXPECT_TRUE(call(output().drain(kBox, "web")));
  open(kBox, "web");
  EXPECT_TRUE(call(output().drain(kBox, "db")));
  EXPECT_TRUE(call(output().drain(kBox, "web")));
  EXPECT_TRUE(call(output().drain(kBox, "web")));
}

TEST_P(OutputContract, ListsEachSandboxOnceForAsLongAsSomethingOfItIsThere) {
  EXPECT_THAT(call(output().list()).value(), IsEmpty());
  open(kBox, "web");
  open(kBox, "db");
  open(kOther, "web");
  EXPECT_THAT(call(output().list()).value(), UnorderedElementsAre(kBox, kOther));
  EXPECT_TRUE(call(output().remove(kOther)));
  EXPECT_THAT(call(output().list()).value(), ElementsAre(kBox));
}

TEST_P(OutputContract, RemovingTakesEverythingOfOneSandboxAndIsIdempotent) {
  open(kBox, "web").say("gone");
  open(kBox, "db").say("gone");
  auto other = open(kOther, "web");
  other.say("stays");
  drained(kBox, "web");
  EXPECT_TRUE(call(output().remove(kBox)));
  EXPECT_TRUE(call(output().remove(kBox)));
  EXPECT_TRUE(call(output().remove(SandboxId("never-was"))));
  EXPECT_EQ(read_error(kBox, "web"), ErrorCode::not_found);
  EXPECT_EQ(read_error(kBox, "db"), ErrorCode::not_found);
  other.say("and goes on");
  EXPECT_THAT(drained(kOther, "web"), ElementsAre(EndsWith("stays"), EndsWith("and goes on")));
}

TEST_P(OutputContract, AnIdThatIsUsedAgainBeginsWithAnEmptyLog) {
  open(kBox, "web").say("of the first life");
  drained(kBox, "web");
  EXPECT_TRUE(call(output().remove(kBox)));
  auto second = open(kBox, "web");
  EXPECT_EQ(read_error(kBox, "web"), ErrorCode::not_found);
  second.say("of the second");
  EXPECT_THAT(drained(kBox, "web"), ElementsAre(EndsWith("of the second")));
}

TEST_P(OutputContract, ContainersPrintWhileNoAgentIsThere) {
  auto web = open(kBox, "web");
  web.say("before");
  harness->end_agent();
  web.say("meanwhile");
  harness->start_agent();
  EXPECT_THAT(call(output().list()).value(), ElementsAre(kBox));
  EXPECT_THAT(drained(kBox, "web"), ElementsAre(EndsWith("before"), EndsWith("meanwhile"))) << "without another open";
  const auto again = open(kBox, "web");
  EXPECT_EQ(again.pipes().stdout_fifo, web.pipes().stdout_fifo);
  web.say("after");
  EXPECT_EQ(drained(kBox, "web").size(), 3U);
}

TEST_P(OutputContract, ANewAgentRemovesWhatAnEarlierOneOpened) {
  open(kBox, "web").say("a line");
  harness->end_agent();
  harness->start_agent();
  EXPECT_TRUE(call(output().remove(kBox)));
  EXPECT_THAT(call(output().list()).value(), IsEmpty());
  EXPECT_EQ(read_error(kBox, "web"), ErrorCode::not_found);
}

TEST_P(OutputContract, NamesThatCouldLeaveTheDirectoryAreRefused) {
  for (const char* name : {"../box", "a/b", "", ".", "..", "box\n"}) {
    const SandboxId bad(name);
    EXPECT_EQ(call(output().open(bad, "web")).error().code(), ErrorCode::invalid_argument) << name;
    EXPECT_EQ(call(output().open(kBox, name)).error().code(), ErrorCode::invalid_argument) << name;
    EXPECT_EQ(call(output().drain(bad, "web")).error().code(), ErrorCode::invalid_argument) << name;
    EXPECT_EQ(call(output().remove(bad)).error().code(), ErrorCode::invalid_argument) << name;
    EXPECT_EQ(read_error(bad, "web"), ErrorCode::invalid_argument) << name;
    EXPECT_EQ(read_error(kBox, name), ErrorCode::invalid_argument) << name;
  }
  EXPECT_THAT(call(output().list()).value(), IsEmpty());
}

TEST_P(OutputContract, AFollowerGetsWhatIsThereAndThenEachNewLineOnce) {
  auto web = open(kBox, "web");
  auto db = open(kBox, "db");
  web.say("one");
  drained(kBox, "web");
  const auto reader = follow(kBox, {"web", "db"});
  EXPECT_THAT(next(*reader), ElementsAre(line("web", "one")));
  db.say("two");
  EXPECT_THAT(next(*reader), ElementsAre(line("db", "two")));
  web.say("three");
  EXPECT_THAT(next(*reader), ElementsAre(line("web", "three")));
}

TEST_P(OutputContract, AFollowerOfASilentContainerBeginsWithNothing) {
  auto web = open(kBox, "web");
  const auto reader = follow(kBox, {"web"});
  EXPECT_THAT(next(*reader), IsEmpty());
  web.say("late");
  EXPECT_THAT(next(*reader), ElementsAre(line("web", "late")));
}

TEST_P(OutputContract, AFollowerThatIsFinishedGetsTheRestAndThenTheEnd) {
  auto web = open(kBox, "web");
  const auto reader = follow(kBox, {"web"});
  EXPECT_THAT(next(*reader), IsEmpty());
  web.say("last words");
  drained(kBox, "web");
  reader->finish();
  EXPECT_THAT(next(*reader), ElementsAre(line("web", "last words")));
  EXPECT_FALSE(call(reader->next()).value());
  EXPECT_FALSE(call(reader->next()).value());
}

TEST_P(OutputContract, TwoFollowersGetTheSameLinesAndOneThatLeavesDisturbsNobody) {
  auto web = open(kBox, "web");
  auto first = follow(kBox, {"web"});
  const auto second = follow(kBox, {"web"});
  next(*first);
  next(*second);
  web.say("both");
  EXPECT_THAT(next(*first), ElementsAre(EndsWith("both")));
  EXPECT_THAT(next(*second), ElementsAre(EndsWith("both")));
  first.reset();
  web.say("one");
  EXPECT_THAT(next(*second), ElementsAre(EndsWith("one")));
}

TEST_P(OutputContract, NobodyFollowsWhatWasNeverOpened) {
  EXPECT_EQ(call(output().follow(kBox, {"web"})).error().code(), ErrorCode::not_found);
  EXPECT_EQ(call(output().follow(SandboxId("../box"), {"web"})).error().code(), ErrorCode::invalid_argument);
  open(kBox, "web");
  EXPECT_EQ(call(output().follow(kBox, {"../web"})).error().code(), ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace sandboxd::test
