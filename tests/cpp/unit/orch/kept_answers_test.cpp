#include "orch/kept_answers.hpp"

#include "base/limits.hpp"

#include <gtest/gtest.h>

namespace sandboxd::orch {
namespace {

constexpr WallTime kStart{1'700'000'000'000'000'000};

model::KeptAnswer answer(const std::string& key, WallTime at = kStart, std::size_t bytes = 1) {
  return {"default", key, "fingerprint", std::string(bytes, 'x'), at};
}

// What the store would learn, as "put k" and "erase k".
std::vector<std::string> changes_of(const KeptAnswers& answers) {
  std::vector<ports::StoreChange> changes;
  answers.add_changes(changes);
  std::vector<std::string> out;
  for (const auto& change : changes) {
    if (const auto* put = std::get_if<ports::PutAnswer>(&change)) out.push_back("put " + put->answer.key);
    if (const auto* erase = std::get_if<ports::EraseAnswer>(&change)) out.push_back("erase " + erase->key);
  }
  return out;
}

TEST(KeptAnswers, are_found_by_owner_and_key_until_they_are_too_old) {
  KeptAnswers answers;
  answers.put(answer("k"), kStart);
  ASSERT_NE(answers.find("default", "k", kStart), nullptr);
  EXPECT_EQ(answers.find("other", "k", kStart), nullptr);
  EXPECT_EQ(answers.find("default", "j", kStart), nullptr);
  EXPECT_NE(answers.find("default", "k", kStart + limits::kAnswerAgeMax), nullptr);
  EXPECT_EQ(answers.find("default", "k", kStart + limits::kAnswerAgeMax + Duration(1)), nullptr);
}

TEST(KeptAnswers, a_turn_is_stored_or_undone) {
  KeptAnswers answers;
  answers.put(answer("a"), kStart);
  EXPECT_EQ(changes_of(answers), std::vector<std::string>{"put a"});
  answers.accept();
  EXPECT_TRUE(changes_of(answers).empty());
  const std::size_t bytes = answers.bytes();
  const WallTime later = kStart + limits::kAnswerAgeMax * 2;
  answers.put(answer("b", later), later);
  EXPECT_EQ(changes_of(answers), (std::vector<std::string>{"erase a", "put b"}));
  answers.undo();
  EXPECT_NE(answers.find("default", "a", kStart), nullptr);
  EXPECT_EQ(answers.find("default", "b", later), nullptr);
  EXPECT_EQ(answers.bytes(), bytes);
  EXPECT_EQ(answers.size(), 1U);
  EXPECT_TRUE(changes_of(answers).empty());
}

TEST(KeptAnswers, the_oldest_go_when_there_are_too_many) {
  KeptAnswers answers;
  for (std::size_t n = 0; n < limits::kAnswersMax; ++n) {
    answers.put(answer(std::to_string(n), kStart + Duration(static_cast<std::int64_t>(n))), kStart);
  }
  answers.accept();
  EXPECT_EQ(answers.size(), limits::kAnswersMax);
  answers.put(answer("new", kStart + std::chrono::hours(1)), kStart);
  EXPECT_EQ(answers.size(), limits::kAnswersMax);
  EXPECT_EQ(answers.find("default", "0", kStart), nullptr);
  EXPECT_NE(answers.find("default", "1", kStart), nullptr);
}

TEST(KeptAnswers, the_oldest_go_when_they_are_too_large) {
  KeptAnswers answers;
  constexpr std::size_t kLarge = 4 << 20;
  for (int n = 0; n < 40; ++n) {
    answers.put(answer(std::to_string(n), kStart + Duration(n), kLarge), kStart);
    EXPECT_LE(answers.bytes(), limits::kAnswersBytesMax);
  }
  EXPECT_EQ(answers.find("default", "0", kStart), nullptr);
  EXPECT_NE(answers.find("default", "39", kStart), nullptr);
}

TEST(KeptAnswers, the_newest_stays_even_when_it_alone_is_too_large) {
  KeptAnswers answers;
  answers.put(answer("k", kStart, limits::kAnswersBytesMax + 1), kStart);
  EXPECT_NE(answers.find("default", "k", kStart), nullptr);
}

TEST(KeptAnswers, what_was_loaded_ages_too) {
  KeptAnswers answers;
  answers.load({answer("old"), answer("new", kStart + std::chrono::hours(20))});
  EXPECT_TRUE(changes_of(answers).empty());
  const WallTime now = kStart + std::chrono::hours(30);
  answers.put(answer("k", now), now);
  EXPECT_EQ(changes_of(answers), (std::vector<std::string>{"put k", "erase old"}));
}

}  // namespace
}  // namespace sandboxd::orch
