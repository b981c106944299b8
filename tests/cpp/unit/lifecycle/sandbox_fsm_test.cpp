#include "lifecycle/sandbox_fsm.hpp"

#include <gtest/gtest.h>

#include <set>

namespace sandboxd::lifecycle {
namespace {

using model::Phase;

constexpr int kPhases = static_cast<int>(Phase::deleting) + 1;
constexpr int kEvents = static_cast<int>(Event::wish_overtaken) + 1;

template <class Visit>
void for_every_pair(Visit visit) {
  for (int phase = 0; phase < kPhases; ++phase) {
    for (int event = 0; event < kEvents; ++event) visit(static_cast<Phase>(phase), static_cast<Event>(event));
  }
}

TEST(SandboxFsm, every_pair_has_one_answer_and_the_table_has_no_doubles) {
  std::set<std::pair<Phase, Event>> rows;
  for (const Move& move : moves()) EXPECT_TRUE(rows.emplace(move.from, move.event).second);
  for_every_pair(
      [&](Phase phase, Event event) { EXPECT_EQ(next(phase, event).has_value(), rows.contains({phase, event})); });
}

TEST(SandboxFsm, nothing_but_the_end_follows_a_deletion) {
  for_every_pair([](Phase phase, Event event) {
    if (phase == Phase::deleting && next(phase, event)) {
      EXPECT_EQ(next(phase, event), Phase::deleting);
    }
  });
}

TEST(SandboxFsm, every_phase_can_be_deleted) {
  for (int phase = 0; phase < kPhases; ++phase) {
    EXPECT_EQ(next(static_cast<Phase>(phase), Event::delete_asked), Phase::deleting);
  }
}

TEST(SandboxFsm, only_a_start_brings_back_what_has_come_to_rest) {
  for_every_pair([](Phase phase, Event event) {
    if (phase != Phase::failed && phase != Phase::stopped) return;
    if (event == Event::node_recovered) return;  // it never was at rest
    const auto to = next(phase, event);
    if (!to || *to == phase || *to == Phase::deleting) return;
    if (event == Event::node_started) {
      EXPECT_EQ(to, Phase::running) << "the start was asked of its node";
      return;
    }
    EXPECT_TRUE(event == Event::start_asked || event == Event::start_anew_asked);
    EXPECT_EQ(to, event == Event::start_asked ? Phase::scheduled : Phase::pending) << "files bind it to its node";
  });
}

TEST(SandboxFsm, only_placement_leads_out_of_pending_onto_a_node) {
  for_every_pair([](Phase phase, Event event) {
    if (phase == Phase::pending && next(phase, event) == Phase::scheduled) {
      EXPECT_EQ(event, Event::placed);
    }
    if (event == Event::placed && phase != Phase::pending) {
      EXPECT_FALSE(next(phase, event));
    }
  });
}

TEST(SandboxFsm, only_a_wish_of_ours_can_be_overtaken) {
  for_every_pair([](Phase phase, Event event) {
    const bool is_wish =
        phase == Phase::pausing || phase == Phase::stopping || phase == Phase::paused || phase == Phase::scheduled;
    if (event == Event::wish_overtaken) {
      EXPECT_EQ(next(phase, event).has_value(), is_wish);
    }
  });
}

TEST(SandboxFsm, only_a_recovery_or_a_start_leads_from_failed_to_running) {
  for_every_pair([](Phase phase, Event event) {
    if (phase == Phase::failed && next(phase, event) == Phase::running) {
      EXPECT_TRUE(event == Event::node_recovered || event == Event::node_started);
    }
    if (event == Event::node_recovered && phase != Phase::failed) {
      EXPECT_FALSE(next(phase, event));
    }
  });
}

TEST(SandboxFsm, every_phase_is_reached_from_pending) {
  std::set<Phase> reached{Phase::pending};
  for (int round = 0; round < kPhases; ++round) {
    for (const Move& move : moves()) {
      if (reached.contains(move.from)) reached.insert(move.to);
    }
  }
  EXPECT_EQ(reached.size(), static_cast<std::size_t>(kPhases));
}

TEST(SandboxFsm, is_move_says_what_the_table_says) {
  EXPECT_TRUE(is_move(Phase::pending, Phase::scheduled));
  EXPECT_TRUE(is_move(Phase::scheduled, Phase::running));
  EXPECT_FALSE(is_move(Phase::pending, Phase::running));
  EXPECT_FALSE(is_move(Phase::deleting, Phase::running));
  EXPECT_FALSE(is_move(Phase::failed, Phase::creating));
}

TEST(SandboxFsm, every_event_has_a_name) {
  std::set<std::string_view> names;
  for (int event = 0; event < kEvents; ++event) names.insert(to_string(static_cast<Event>(event)));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(kEvents));
}

}  // namespace
}  // namespace sandboxd::lifecycle
