// Runs that are corrupted from outside the engine: the checkers must speak, and say the right thing. Each run is well
// but for its plant.
#include "plants.hpp"

#include "support.hpp"

namespace sandboxd::world {
namespace {

using std::chrono::seconds;

class Plants : public testing::Test {
 protected:
  Plants() {
    options.faults = false;
    options.nodes = 3;
    options.load.clients = 3;
    options.load.ttl_permille = options.load.restart_permille = 0;
  }

  WorldOptions options;
};

const ports::PutSandbox* first_put(const ports::StoreTransaction& transaction) {
  for (const ports::StoreChange& change : transaction.changes) {
    if (const auto* put = std::get_if<ports::PutSandbox>(&change)) return put;
  }
  return nullptr;
}

TEST_F(Plants, adapters_that_do_nothing_change_nothing) {
  World plain(11, options);
  plant_store(options);
  World wrapped(11, options);
  plain.run_for(seconds(5));
  wrapped.run_for(seconds(5));
  EXPECT_EQ(plain.trace_hash(), wrapped.trace_hash());
}

TEST_F(Plants, a_write_that_is_acknowledged_and_lost) {
  const auto plant = plant_store(options);
  int left = 5;
  plant->on_apply = [&left](ports::StoreTransaction& transaction) {
    return first_put(transaction) == nullptr || --left != 0;
  };
  World world(12, options);
  world.run_for(seconds(5));
  EXPECT_TRUE(says(world, "was told before it was durable"));
  EXPECT_TRUE(says(world, "memory and store differ"));
}

TEST_F(Plants, a_write_that_is_stored_otherwise) {
  const auto plant = plant_store(options);
  plant->on_apply = [](ports::StoreTransaction& transaction) {
    for (ports::StoreChange& change : transaction.changes) {
      auto* put = std::get_if<ports::PutSandbox>(&change);
      if (put == nullptr) continue;
      model::Sandbox other = *put->sandbox;
      other.ip += "0";
      *put = ports::PutSandbox(std::move(other));
    }
    return true;
  };
  World world(13, options);
  world.run_for(seconds(3));
  EXPECT_TRUE(says(world, "memory and store differ in their sandboxes"));
}

TEST_F(Plants, a_record_that_a_restart_does_not_find) {
  const auto plant = plant_store(options);
  plant->on_load = [](ports::StoreContents& contents) {
    if (!contents.sandboxes.empty()) contents.sandboxes.pop_back();
  };
  World world(14, options);
  world.run_for(seconds(5));
  ASSERT_TRUE(world.check().empty());
  ASSERT_TRUE(world.inject("crash_control_plane"));
  world.run_for(seconds(5));
  EXPECT_TRUE(says(world, "is lost over a restart"));
}

TEST_F(Plants, a_deletion_that_a_restart_takes_back) {
  const auto plant = plant_store(options);
  std::map<SandboxId, model::Sandbox> versions;
  std::set<SandboxId> erased;
  plant->on_apply = [&](ports::StoreTransaction& transaction) {
    for (const ports::StoreChange& change : transaction.changes) {
      if (const auto* erase = std::get_if<ports::EraseSandbox>(&change)) erased.insert(erase->id);
      const auto* put = std::get_if<ports::PutSandbox>(&change);
      if (put == nullptr) continue;
      erased.erase(put->sandbox->id);
      if (put->sandbox->phase == model::Phase::running) versions[put->sandbox->id] = *put->sandbox;
    }
    return true;
  };
  plant->on_load = [&](ports::StoreContents& contents) {
    for (const SandboxId& id : erased) {
      if (versions.contains(id)) contents.sandboxes.push_back(versions[id]);
    }
  };
  World world(15, options);
  world.run_for(seconds(8));
  ASSERT_TRUE(world.check().empty());
  ASSERT_TRUE(world.inject("crash_control_plane"));
  world.run_for(seconds(5));
  EXPECT_TRUE(says(world, "the acknowledged delete of"));
}

TEST_F(Plants, a_port_with_two_owners) {
  const auto plant = plant_store(options);
  plant->on_load = [](ports::StoreContents& contents) {
    for (model::Sandbox& one : contents.sandboxes) {
      for (model::Sandbox& other : contents.sandboxes) {
        if (one.id == other.id || one.node != other.node || one.ports.empty() || other.ports.empty()) continue;
        other.ports.front() = one.ports.front();
        return;
      }
    }
  };
  World world(16, options);
  world.run_for(seconds(8));
  ASSERT_TRUE(world.check().empty());
  ASSERT_TRUE(world.inject("crash_control_plane"));
  world.run_for(seconds(5));
  EXPECT_TRUE(says(world, " was given to "));
}

TEST_F(Plants, a_life_that_is_placed_twice) {
  const auto plant = plant_transport(options);
  plant->other = {"10.0.0.1", 1001};
  plant->doubles_to = [](const model::NodeAddress& node) { return node.port != 1001; };
  World world(17, options);
  world.run_for(seconds(5));
  EXPECT_TRUE(says(world, "was sent to node"));
  EXPECT_TRUE(says(world, "is on two nodes"));
}

TEST_F(Plants, a_create_of_which_the_store_knows_nothing) {
  const auto plant = plant_transport(options);
  plant->on_create = [](model::NodeAddress&, model::NodeCreateRequest& request) { request.uid[31] ^= 1; };
  World world(18, options);
  world.run_for(seconds(3));
  EXPECT_TRUE(says(world, "of which the store knows nothing"));
}

TEST_F(Plants, a_removal_that_is_told_and_not_done) {
  const auto plant = plant_transport(options);
  bool once = true;
  plant->swallows_remove = [&once] { return std::exchange(once, false); };
  World world(19, options);
  world.run_for(seconds(5));
  world.settle();
  EXPECT_TRUE(says(world, ", which nobody knows"));
}

TEST_F(Plants, ports_that_are_published_otherwise_than_promised) {
  const auto plant = plant_transport(options);
  plant->on_create = [](model::NodeAddress&, model::NodeCreateRequest& request) {
    for (model::PublishedPort& port : request.ports) port.host_port += 1000;
  };
  World world(20, options);
  world.run_for(seconds(5));
  world.settle();
  EXPECT_TRUE(says(world, "has other ports for"));
}

TEST_F(Plants, a_node_that_promises_more_than_it_has) {
  const auto plant = plant_transport(options);
  plant->on_report = [](const model::NodeAddress&, model::NodeReport& report) {
    report.resources.allocatable_cpu_milli *= 3;
    report.resources.allocatable_memory_bytes *= 3;
  };
  options.load.clients = 6;
  World world(21, options);
  world.run_for(seconds(20));
  EXPECT_TRUE(says(world, "was promised more than it has"));
}

TEST_F(Plants, a_node_that_returns_to_a_former_life) {
  const auto plant = plant_transport(options);
  std::map<int, std::string> first;
  std::map<int, int> reports_of_second;
  plant->on_report = [&](const model::NodeAddress& node, model::NodeReport& report) {
    const auto known = first.try_emplace(node.port, report.boot_id).first;
    if (known->second != report.boot_id && ++reports_of_second[node.port] > 1) report.boot_id = known->second;
  };
  World world(22, options);
  world.run_for(seconds(3));
  ASSERT_TRUE(world.inject("crash_node"));
  world.run_for(seconds(30));
  EXPECT_TRUE(says(world, "is back in its former life"));
  world.settle();
  EXPECT_TRUE(says(world, ", but is believed to be "));
}

}  // namespace
}  // namespace sandboxd::world
