// Which sandbox a host name means.
#include "orch/host_names.hpp"

#include "orch/state.hpp"

#include <gtest/gtest.h>

#include <string>

namespace sandboxd::orch {
namespace {

class HostNames : public testing::Test {
 protected:
  HostNames() {
    state.begin({}, {});
    model::Node node;
    node.id = NodeId("n");
    node.address = {"10.0.0.1", 8080};
    state.put_node(std::move(node));
  }

  model::Sandbox sandbox(const std::string& id, const std::string& name) {
    model::Sandbox made;
    made.id = SandboxId(id);
    made.uid = id;
    made.name = name;
    made.node = NodeId("n");
    made.phase = model::Phase::running;
    made.ports = {{20001, 3000, model::Protocol::tcp}};
    return made;
  }
  std::string find(const std::string& label) {
    const auto found = host_target(state, label);
    if (!found) return std::string(to_string(found.error().code()));
    return found->address + ":" + std::to_string(found->port);
  }

  State state{{}, Duration::zero()};
};

TEST_F(HostNames, only_what_runs_is_found) {
  auto app = sandbox("1", "app");
  for (const auto phase : {model::Phase::pending, model::Phase::creating, model::Phase::paused, model::Phase::stopped,
                           model::Phase::failed, model::Phase::deleting}) {
    app.phase = phase;
    state.put(app);
    EXPECT_EQ(find("app"), "not_found") << to_string(phase);
  }
  app.phase = model::Phase::running;
  state.put(app);
  EXPECT_EQ(find("app"), "10.0.0.1:20001");
  EXPECT_EQ(find("ap"), "not_found");
}

TEST_F(HostNames, the_main_port_is_said_or_the_only_one) {
  auto app = sandbox("1", "app");
  app.ports.push_back({20002, 4000, model::Protocol::tcp});
  app.ports.push_back({20003, 5000, model::Protocol::udp});
  state.put(app);
  EXPECT_EQ(find("app"), "not_found");  // it could be either
  EXPECT_EQ(find("4000-app"), "10.0.0.1:20002");
  EXPECT_EQ(find("5000-app"), "not_found");  // no TCP
  EXPECT_EQ(find("9-app"), "not_found");
  app.spec.annotations[std::string(kMainPortAnnotation)] = "4000/tcp";
  state.put(app);
  EXPECT_EQ(find("app"), "10.0.0.1:20002");
  app.spec.annotations[std::string(kMainPortAnnotation)] = "6000/tcp";
  state.put(app);
  EXPECT_EQ(find("app"), "not_found");
}

TEST_F(HostNames, a_name_that_begins_with_a_number_is_a_name_first) {
  state.put(sandbox("1", "3000-app"));
  EXPECT_EQ(find("3000-app"), "10.0.0.1:20001");
  auto app = sandbox("2", "app");
  app.ports = {{20009, 3000, model::Protocol::tcp}};
  state.put(app);
  EXPECT_EQ(find("3000-app"), "10.0.0.1:20001");
  EXPECT_EQ(find("3000-3000-app"), "10.0.0.1:20001");
}

TEST_F(HostNames, a_name_of_several_owners_is_nobodys_while_two_run) {
  auto one = sandbox("1", "app");
  auto other = sandbox("2", "app");
  other.owner = "zoe";
  other.ports[0].host_port = 20002;
  state.put(one);
  state.put(other);
  EXPECT_EQ(find("app"), "conflict");
  one.phase = model::Phase::stopped;
  state.put(one);
  EXPECT_EQ(find("app"), "10.0.0.1:20002");
}

}  // namespace
}  // namespace sandboxd::orch
