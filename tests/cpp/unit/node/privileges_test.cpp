#include "node/privileges.hpp"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace sandboxd::node {
namespace {

using testing::HasSubstr;

model::SandboxSpec spec(std::vector<std::string> capabilities, std::vector<std::string> options,
                        const std::string& handler) {
  model::SandboxSpec out;
  out.runtime = handler;
  out.containers.resize(1);
  out.containers[0].name = "app";
  out.containers[0].cap_add = std::move(capabilities);
  out.containers[0].security_opt = std::move(options);
  return out;
}

TEST(Privileges, beyond_the_default_ones_are_refused_under_runc_with_what_to_change) {
  const NodeConfig config;
  for (const char* name : {"SYS_ADMIN", "CAP_NET_ADMIN", "all"}) {
    const auto refused = check_privileges(config, spec({"CHOWN", name}, {}, "runc"));
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().message(), "container app: capAdd \"" + std::string(name) +
                                             "\" is not allowed under runc on this node (setting privileged_options)");
  }
  for (const char* option : {"seccomp=unconfined", "Seccomp:Unconfined"}) {
    const auto refused = check_privileges(config, spec({}, {option}, "runc"));
    ASSERT_FALSE(refused) << option;
    EXPECT_THAT(refused.error().message(), HasSubstr(std::string("securityOpt \"") + option));
  }
}

TEST(Privileges, that_everybody_has_are_no_privileges) {
  const NodeConfig config;
  EXPECT_TRUE(check_privileges(config, spec({"NET_RAW", "cap_chown"}, {"seccomp=runtime/default"}, "runc")));
  EXPECT_TRUE(check_privileges(config, spec({}, {"no-new-privileges=false", "apparmor=unconfined"}, "runc")));
}

TEST(Privileges, are_the_sandboxs_own_under_runsc) {
  NodeConfig config;
  const auto privileged = spec({"SYS_ADMIN"}, {"seccomp=unconfined"}, "");
  EXPECT_TRUE(check_privileges(config, privileged));
  config.runtime = "runc";
  EXPECT_FALSE(check_privileges(config, privileged)) << "the node's default handler counts";
}

TEST(Privileges, are_never_or_always_taken_when_the_setting_says_so) {
  NodeConfig config;
  config.privileged_options = "never";
  EXPECT_FALSE(check_privileges(config, spec({"SYS_ADMIN"}, {}, "runsc")));
  config.privileged_options = "always";
  EXPECT_TRUE(check_privileges(config, spec({"SYS_ADMIN"}, {"seccomp=unconfined"}, "runc")));
}

}  // namespace
}  // namespace sandboxd::node
