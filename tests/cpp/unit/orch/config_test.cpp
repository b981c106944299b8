#include "orch/config.hpp"

#include <gtest/gtest.h>

#include <set>

namespace sandboxd::orch {
namespace {

TEST(OrchConfig, defaults_are_valid) { EXPECT_EQ(OrchConfig().validate(), std::vector<std::string>()); }

TEST(OrchConfig, names_are_unique_and_described) {
  std::set<std::string_view> names;
  for (const auto& field : OrchConfig::fields()) {
    EXPECT_TRUE(names.insert(field.name).second) << field.name;
    EXPECT_FALSE(field.description.empty()) << field.name;
  }
}

TEST(OrchConfig, knows_the_original_names) {
  std::set<std::pair<std::string_view, std::string_view>> originals;
  for (const auto& field : OrchConfig::fields()) originals.emplace(field.original_key, field.original_env);
  EXPECT_TRUE(originals.contains({"http_addr", "ORCH_HTTP_ADDR"}));
  EXPECT_TRUE(originals.contains({"shared_secret", "SBX_SHARED_SECRET"}));
  EXPECT_TRUE(originals.contains({"sqlite_path", "ORCH_SQLITE_PATH"}));
}

TEST(OrchConfig, every_problem_is_told_with_its_field) {
  OrchConfig config;
  config.listen = "nowhere";
  config.place_or_fail = "perhaps";
  config.host_port_min = 9;
  config.host_port_max = 8;
  config.probe_timeout = Duration(0);
  config.log_level = "loud";
  config.scheduler_policy = R"({"scores": {"luck": 1}})";
  const auto problems = config.validate();
  ASSERT_EQ(problems.size(), 6U);
  for (const char* field :
       {"listen", "place_or_fail", "host_port_min", "probe_timeout", "log_level", "scheduler_policy"}) {
    bool is_named = false;
    for (const std::string& problem : problems) is_named |= problem.rfind(field, 0) == 0;
    EXPECT_TRUE(is_named) << field;
  }
}

// Section 9 of the original's description: every key is a field of ours or known to have no meaning, once.
TEST(OrchConfig, every_setting_of_the_original_is_known_once) {
  std::multiset<std::string_view> keys;
  for (const auto& field : OrchConfig::fields()) {
    if (!field.original_key.empty()) keys.insert(field.original_key);
  }
  for (const auto& foreign : OrchConfig::foreign_settings()) keys.insert(foreign.key);
  const std::multiset<std::string_view> expected{"app_env",
                                                 "http_addr",
                                                 "shared_secret",
                                                 "log_dir",
                                                 "log_file_prefix",
                                                 "sqlite_path",
                                                 "heartbeat_interval",
                                                 "probe_timeout",
                                                 "sandbox_op_timeout",
                                                 "heartbeat_parallel",
                                                 "heartbeat_max_parallel",
                                                 "resource_sync_interval",
                                                 "resource_persist_min_interval",
                                                 "resource_persist_max_interval",
                                                 "ready_success_threshold",
                                                 "notready_failure_threshold",
                                                 "shutdown_timeout",
                                                 "scheduler_interval",
                                                 "reconcile_interval",
                                                 "status_sync_interval",
                                                 "status_sync_timeout",
                                                 "status_sync_batch_size",
                                                 "status_sync_max_parallel",
                                                 "host_port_min",
                                                 "host_port_max",
                                                 "create_rps",
                                                 "create_burst"};
  EXPECT_EQ(keys, expected);
}

TEST(OrchConfig, dialects_are_known_and_at_least_one) {
  OrchConfig config;
  config.dialects = {"opensbx"};
  EXPECT_TRUE(config.validate().empty());
  config.dialects = {"opensbx", "sbxlet"};
  ASSERT_EQ(config.validate().size(), 1U);
  EXPECT_EQ(config.validate()[0], "dialects: \"sbxlet\" is none of sandboxd_o, opensbx");
  config.dialects.clear();
  ASSERT_EQ(config.validate().size(), 1U);
}

TEST(OrchConfig, an_api_key_is_a_token_that_others_may_stand_beside) {
  OrchConfig config;
  config.more_tokens = {"second"};
  EXPECT_EQ(config.validate().size(), 1U);
  config.api_key = "hush";
  EXPECT_TRUE(config.validate().empty());
}

TEST(OrchConfig, what_opensbx_reserves_is_a_percentage) {
  OrchConfig config;
  for (const int percent : {0, 101}) {
    config.opensbx_request_percent = percent;
    EXPECT_EQ(config.validate().size(), 1U) << percent;
  }
}

TEST(OrchConfig, secrets_are_marked) {
  for (const auto& field : OrchConfig::fields()) {
    const bool is_credential = field.name.find("token") != std::string_view::npos || field.name == "api_key";
    EXPECT_EQ(field.is_secret, is_credential) << field.name;
  }
}

TEST(OrchConfig, the_database_is_in_the_data_directory_unless_named) {
  OrchConfig config;
  config.data_dir = "/d";
  EXPECT_EQ(config.database_path(), "/d/orchestrator.db");
  config.database = "/x.db";
  EXPECT_EQ(config.database_path(), "/x.db");
}

}  // namespace
}  // namespace sandboxd::orch
