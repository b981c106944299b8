// Who gets which node and who waits: decisions on a state, turn by turn, without a store and without time.
#include "orch/decisions.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>

namespace sandboxd::orch {
namespace {

using model::Phase;
using std::chrono::seconds;

constexpr const char* kInfeasible = "no feasible schedulable node for selector/resources/ports";

class PlacementTest : public testing::Test {
 protected:
  // Call before anything else when config_ was changed.
  void make() {
    sched::ClusterOptions options;
    options.ports = ports_;
    state_ = std::make_unique<State>(options, Duration::zero());
    decisions_ = std::make_unique<Decisions>(*state_, config_, "01234567", 1);
  }

  void turn(const std::function<void()>& work = [] {}) {
    if (!state_) make();
    state_->begin(wall_, mono_);
    static_cast<void>(decisions_->take_silent_nodes());  // nodes report once here, and count as alive
    work();
    do {
      decisions_->place_pending();
    } while (decisions_->has_more_to_place());
    released_ = state_->accept();
    const auto next = decisions_->next_deadline(wall_, mono_);
    EXPECT_TRUE(!next || *next > mono_) << "the engine would turn for ever";
  }
  // Time passes as the engine sees it: it wakes at every deadline on the way.
  void pass(Duration duration) {
    const MonoTime end = mono_ + duration;
    for (int n = 0; n < 10000; ++n) {
      const auto next = decisions_->next_deadline(wall_, mono_);
      const MonoTime to = next && *next < end ? *next : end;
      wall_ = wall_ + (to - mono_);
      mono_ = to;
      turn();
      if (to == end) return;
    }
    ADD_FAILURE() << "too many deadlines";
  }

  void add_node(const char* id, std::int64_t cpu = 4000, bool cordoned = false) {
    turn([&] {
      UpsertNode request;
      request.id = NodeId(id);
      request.address = {"192.0.2.1", 8080};
      request.unschedulable = cordoned;
      ASSERT_TRUE(decisions_->upsert_node(request));
    });
    report(id, cpu);
  }
  void report(const char* id, std::int64_t cpu) {
    turn([&] {
      model::NodeReport report;
      report.boot_id = "boot";
      report.resources.allocatable_cpu_milli = cpu;
      report.resources.allocatable_memory_bytes = cpu;
      decisions_->observe(LinkOpened{NodeId(id), 1});
      decisions_->observe(NodeSaid{NodeId(id), 1, report});
    });
  }
  void cordon(const char* id, bool cordoned) {
    turn([&] {
      PatchNode patch;
      patch.unschedulable = cordoned;
      ASSERT_TRUE(decisions_->patch_node(NodeId(id), patch));
    });
  }

  Result<SandboxRef> create_now(const std::string& id, std::int64_t cpu, const char* owner, int ports) {
    CreateSandbox request;
    request.id = SandboxId(id);
    request.owner = owner;
    model::Container& container = request.spec.containers.emplace_back();
    container.name = "app";
    container.image = "local/app:1";
    container.resources.request_cpu_milli = cpu;
    for (int n = 0; n < ports; ++n) request.spec.ports.push_back({0, 80 + n, ""});
    return decisions_->create(request);
  }
  void create(const std::string& id, std::int64_t cpu, const char* owner = "ann", int ports = 0) {
    turn([&] { ASSERT_TRUE(create_now(id, cpu, owner, ports)); });
  }
  void remove_now(const std::string& id) {
    const SandboxRef sandbox = get(id);
    ASSERT_TRUE(decisions_->remove(SandboxId(id)));
    if (state_->find(SandboxId(id))) decisions_->observe(RemoveDone{SandboxId(id), sandbox->uid, sandbox->node, {}});
  }
  void remove(const std::string& id) {
    turn([&] { remove_now(id); });
  }

  SandboxRef get(const std::string& id) { return state_->find(SandboxId(id)); }
  Phase phase(const std::string& id) { return get(id)->phase; }
  std::string node_of(const std::string& id) { return get(id)->node.str(); }

  OrchConfig config_;
  sched::PortRange ports_;
  std::unique_ptr<State> state_;
  std::unique_ptr<Decisions> decisions_;
  Released released_;
  WallTime wall_{1'700'000'000'000'000'000};
  MonoTime mono_{1'000'000'000};
};

TEST_F(PlacementTest, whatever_helps_places_those_who_wait_in_the_same_turn) {
  create("a", 3000);
  EXPECT_EQ(get("a")->reasons, std::vector<std::string>{"no nodes are registered"});
  add_node("n1", 2000);
  EXPECT_EQ(phase("a"), Phase::pending);
  report("n1", 3000);  // it grew
  EXPECT_EQ(phase("a"), Phase::scheduled);
  create("b", 2000);
  EXPECT_EQ(phase("b"), Phase::pending);
  remove("a");  // room came free
  EXPECT_EQ(phase("b"), Phase::scheduled);
  create("c", 2500);
  add_node("n2", 4000, true);
  EXPECT_EQ(phase("c"), Phase::pending);
  cordon("n2", false);
  EXPECT_EQ(phase("c"), Phase::scheduled);
  EXPECT_TRUE(get("c")->reasons.empty());
}

TEST_F(PlacementTest, a_port_that_leaves_its_quarantine_wakes_those_who_wait) {
  ports_ = {20000, 20001, seconds(5)};
  add_node("n");
  create("a", 100, "ann", 2);
  create("b", 100, "ann", 1);
  EXPECT_EQ(get("b")->reasons, std::vector<std::string>{"node n: not enough host ports: needs 1, has 0 free"});
  remove("a");
  EXPECT_EQ(phase("b"), Phase::pending);
  pass(std::chrono::milliseconds(4999));
  EXPECT_EQ(phase("b"), Phase::pending);
  pass(std::chrono::milliseconds(1));
  EXPECT_EQ(phase("b"), Phase::scheduled);
}

TEST_F(PlacementTest, one_that_does_not_fit_holds_up_nobody) {
  add_node("n");
  create("base", 3000);
  create("large", 4000);
  create("small", 500);
  EXPECT_EQ(phase("large"), Phase::pending);
  EXPECT_EQ(phase("small"), Phase::scheduled);
}

TEST_F(PlacementTest, owners_take_turns_and_the_oldest_of_each_goes_first) {
  create("a1", 1000, "ann");
  pass(seconds(1));
  create("a2", 1000, "ann");
  create("a3", 1000, "ann");
  pass(seconds(1));
  create("b1", 1000, "bob");
  add_node("n", 3000);
  EXPECT_EQ(phase("a1"), Phase::scheduled);
  EXPECT_EQ(phase("b1"), Phase::scheduled);
  EXPECT_EQ(phase("a2"), Phase::scheduled);
  EXPECT_EQ(phase("a3"), Phase::pending);
}

TEST_F(PlacementTest, one_that_waits_goes_before_one_that_comes_when_room_comes_free) {
  add_node("n");
  create("full", 4000);
  create("first", 4000);
  turn([&] {
    remove_now("full");
    ASSERT_TRUE(create_now("second", 4000, "ann", 0));
  });
  EXPECT_EQ(phase("first"), Phase::scheduled);
  EXPECT_EQ(phase("second"), Phase::pending);
}

// Small ones end and come without pause, each taking the room before the large one has enough of it.
TEST_F(PlacementTest, a_large_one_is_not_starved_and_small_ones_go_on_elsewhere) {
  add_node("n1");
  add_node("n2");
  int next = 0;
  std::vector<std::string> small;
  const auto another = [&] {
    small.push_back("small-" + std::to_string(next++));
    create(small.back(), 500, "bob");
  };
  for (int n = 0; n < 16; ++n) another();
  create("large", 4000);
  int waited = 0;
  int placed_meanwhile = 0;
  for (; waited < 60 && phase("large") == Phase::pending; ++waited) {
    // The one that ends is the oldest that runs.
    const auto running =
        std::find_if(small.begin(), small.end(), [&](const auto& id) { return phase(id) != Phase::pending; });
    ASSERT_NE(running, small.end());
    const std::string ends = *running;
    small.erase(running);
    remove(ends);
    another();
    if (phase(small.back()) == Phase::scheduled) ++placed_meanwhile;
    pass(seconds(1));
  }
  EXPECT_EQ(phase("large"), Phase::scheduled);
  EXPECT_GE(waited, 10);  // not before its patience ended
  EXPECT_LE(waited, 30);  // then for as long as the small ones of one node last
  EXPECT_GE(placed_meanwhile, 10);
  EXPECT_FALSE(state_->cluster().snapshot().nodes[0].held || state_->cluster().snapshot().nodes[1].held);
}

TEST_F(PlacementTest, a_hold_ends_with_its_holder_and_moves_when_its_node_cannot_serve) {
  config_.place_deadline = seconds(60);
  make();
  add_node("n1");
  add_node("n2");
  create("a", 3000);
  create("b", 2000);  // the other node
  create("large", 4000);
  const auto held = [&] {
    std::string ids;
    for (const auto& node : state_->cluster().snapshot().nodes) ids += node.held ? node.id.str() : "";
    return ids;
  };
  pass(seconds(9));
  EXPECT_EQ(held(), "");
  pass(seconds(1));
  const std::string first = node_of("b");  // it lacks least
  const std::string second = node_of("a");
  EXPECT_EQ(held(), first);
  create("small", 500);
  EXPECT_EQ(node_of("small"), second);
  create("more", 1500);
  EXPECT_EQ(phase("more"), Phase::pending);
  EXPECT_TRUE(std::any_of(get("more")->reasons.begin(), get("more")->reasons.end(),
                          [](const auto& line) { return line.find("has waited longer") != std::string::npos; }));
  cordon(first.c_str(), true);
  EXPECT_EQ(held(), second);
  cordon(first.c_str(), false);
  EXPECT_EQ(phase("more"), Phase::scheduled);  // there is no hold on it any more
  remove("large");
  EXPECT_EQ(held(), "");

  create("late", 4000);
  pass(seconds(59));
  EXPECT_NE(held(), "");
  pass(seconds(1));
  EXPECT_EQ(phase("late"), Phase::failed);
  EXPECT_EQ(get("late")->last_error, kInfeasible);
  EXPECT_EQ(held(), "");
}

TEST_F(PlacementTest, a_jump_of_the_wall_clock_changes_nobodys_wait) {
  config_.place_deadline = seconds(60);
  make();
  add_node("n");
  create("base", 3000);
  create("large", 4000);
  wall_ = wall_ + std::chrono::hours(1);
  pass(seconds(9));
  EXPECT_FALSE(state_->cluster().snapshot().nodes[0].held);
  wall_ = wall_ + std::chrono::hours(-2);
  pass(seconds(1));
  EXPECT_TRUE(state_->cluster().snapshot().nodes[0].held);
  pass(seconds(49));
  EXPECT_EQ(phase("large"), Phase::pending);
  wall_ = wall_ + std::chrono::hours(-1);
  pass(seconds(1));
  EXPECT_EQ(phase("large"), Phase::failed);
}

TEST_F(PlacementTest, who_is_sent_back_has_waited_since_it_was_accepted) {
  config_.place_deadline = seconds(60);
  make();
  add_node("n");
  create("a", 1000);
  ASSERT_EQ(phase("a"), Phase::scheduled);
  pass(seconds(40));
  wall_ = wall_ + std::chrono::hours(-1);
  turn([&] {
    PatchNode patch;
    patch.unschedulable = true;
    ASSERT_TRUE(decisions_->patch_node(NodeId("n"), patch));
    decisions_->observe(
        CreateDone{SandboxId("a"), get("a")->uid, NodeId("n"), Error(ErrorCode::resource_exhausted, "no room")});
  });
  EXPECT_EQ(phase("a"), Phase::pending);
  pass(seconds(19));
  EXPECT_EQ(phase("a"), Phase::pending);
  pass(seconds(1));
  EXPECT_EQ(phase("a"), Phase::failed);
}

TEST_F(PlacementTest, an_undone_turn_leaves_the_wait_as_it_was) {
  config_.place_deadline = seconds(60);
  make();
  add_node("n");
  create("a", 5000);
  pass(seconds(30));
  state_->begin(wall_, mono_);
  remove_now("a");
  ASSERT_TRUE(create_now("a", 5000, "ann", 0));  // a life of its own, with a wait of its own
  state_->undo();
  pass(seconds(29));
  EXPECT_EQ(phase("a"), Phase::pending);
  pass(seconds(1));
  EXPECT_EQ(phase("a"), Phase::failed);
}

TEST_F(PlacementTest, nobody_holds_what_could_never_take_it) {
  add_node("n");
  create("monster", 5000);
  pass(seconds(30));
  EXPECT_FALSE(state_->cluster().snapshot().nodes[0].held);
  create("small", 500);
  EXPECT_EQ(phase("small"), Phase::scheduled);
}

TEST_F(PlacementTest, in_mode_fail_there_is_no_queue) {
  config_.place_or_fail = "fail";
  make();
  add_node("n");
  pass(seconds(30));
  create("base", 3000);
  create("large", 4000);
  EXPECT_EQ(phase("large"), Phase::failed);
  EXPECT_EQ(get("large")->last_error, kInfeasible);
  EXPECT_EQ(get("large")->reasons.size(), 1U);
  create("small", 500);
  EXPECT_EQ(phase("small"), Phase::scheduled);
}

TEST_F(PlacementTest, an_undone_turn_gives_names_and_ports_back_to_whom_they_belonged) {
  ports_ = {20000, 20000, Duration::zero()};
  add_node("n");
  create("z", 100, "ann", 1);
  const auto before = *get("z");
  state_->begin(wall_, mono_);
  remove_now("z");
  CreateSandbox request;
  request.id = SandboxId("a");  // sorts before z, so it is gone back to first
  request.name = "z";
  request.owner = "ann";
  request.spec = before.spec;
  ASSERT_TRUE(decisions_->create(request));
  EXPECT_EQ(get("a")->ports.at(0).host_port, 20000);
  state_->undo();
  EXPECT_EQ(get("a"), nullptr);
  EXPECT_EQ(*get("z"), before);
  EXPECT_TRUE(state_->name_taken("ann", "z"));
  EXPECT_TRUE(state_->cluster().is_port_taken(NodeId("n"), 20000));
  create("b", 100, "ann", 1);
  EXPECT_EQ(phase("b"), Phase::pending);
  remove("z");
  EXPECT_EQ(phase("b"), Phase::scheduled);
}

TEST_F(PlacementTest, two_creates_of_one_turn_never_share_what_only_one_can_have) {
  ports_ = {20000, 20002, seconds(5)};
  add_node("n");
  turn([&] {
    ASSERT_TRUE(create_now("a", 1500, "ann", 1));
    ASSERT_TRUE(create_now("b", 1500, "ann", 1));
    ASSERT_TRUE(create_now("c", 1500, "ann", 1));
  });
  EXPECT_EQ(phase("a"), Phase::scheduled);
  EXPECT_EQ(phase("b"), Phase::scheduled);
  EXPECT_EQ(phase("c"), Phase::pending);
  EXPECT_NE(get("a")->ports.at(0).host_port, get("b")->ports.at(0).host_port);
}

}  // namespace
}  // namespace sandboxd::orch
