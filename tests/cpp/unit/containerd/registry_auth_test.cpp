#include "containerd/registry_auth.hpp"

#include "support/temp_dir.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sys/stat.h>

namespace sandboxd::containerd {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// "ann:secret" is YW5uOnNlY3JldA==, "bob:pass:word" is Ym9iOnBhc3M6d29yZA==.
constexpr const char* kConfig = R"({"auths":{
  "127.0.0.1:5000":{"auth":"YW5uOnNlY3JldA=="},
  "registry.example":{"username":"carl","password":"p"},
  "registry.example/team":{"auth":"Ym9iOnBhc3M6d29yZA=="},
  "https://index.docker.io/v1/":{"auth":"YW5uOnNlY3JldA==","email":"x@example"},
  "tokens.example":{"identitytoken":"t1"},
  "helped.example":{}},
  "credHelpers":{"helped.example":"secretservice"}})";

std::string user_for(const std::string& name) {
  const auto found = find_credentials(kConfig, name);
  if (!found) return "error: " + found.error().message();
  return *found ? (*found)->username + "/" + (*found)->password : "none";
}

TEST(RegistryAuth, IsFoundByRegistryAndRepository) {
  EXPECT_EQ(user_for("127.0.0.1:5000/team/web:7"), "ann/secret");
  EXPECT_EQ(user_for("127.0.0.1:5001/team/web:7"), "none");
  EXPECT_EQ(user_for("registry.example/other/x:1"), "carl/p");
  EXPECT_EQ(user_for("registry.example/team/x:1"), "bob/pass:word");
  EXPECT_EQ(user_for("registry.example/teams/x:1"), "carl/p");
  EXPECT_EQ(user_for("docker.io/library/alpine:latest"), "ann/secret");
  EXPECT_EQ((*find_credentials(kConfig, "tokens.example/x:1"))->identity_token, "t1");
  EXPECT_THAT(user_for("helped.example/x:1"), AllOf(HasSubstr("helpers are not run"), HasSubstr("\"auths\"")));
  EXPECT_FALSE(*find_credentials("{}", "a.example/x:1"));
}

TEST(RegistryAuth, WhatCannotBeReadIsNamedWithoutItsSecret) {
  EXPECT_FALSE(find_credentials("[", "a.example/x:1"));
  const auto broken = find_credentials(R"({"auths":{"a.example":{"auth":"c2VjcmV0"}}})", "a.example/x:1");
  ASSERT_FALSE(broken);
  EXPECT_THAT(broken.error().message(), AllOf(HasSubstr("a.example"), HasSubstr("base64"), Not(HasSubstr("c2Vj"))));
  EXPECT_FALSE(find_credentials(R"({"auths":{"a.example":{"auth":"%%%"}}})", "a.example/x:1"));
}

TEST(RegistryAuth, AFileThatOthersCanReadIsRefused) {
  const test::TempDir directory;
  const std::string path = directory.path() + "/auth.json";
  EXPECT_EQ(read_auth_file(path).error().code(), ErrorCode::not_found);
  std::ofstream(path) << kConfig;
  for (const mode_t mode : {0644U, 0604U, 0660U}) {
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
    const auto open_to_all = read_auth_file(path);
    ASSERT_FALSE(open_to_all) << mode;
    EXPECT_THAT(open_to_all.error().message(), HasSubstr("chmod 600 " + path));
  }
  for (const mode_t mode : {0600U, 0640U, 0400U}) {
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
    EXPECT_EQ(*read_auth_file(path), kConfig);
  }
  EXPECT_FALSE(read_auth_file(directory.path()));
}

TEST(RegistryAuth, ARefusalSaysWhatToDo) {
  EXPECT_TRUE(is_refusal("unexpected status code [manifests 1]: 401 Unauthorized"));
  EXPECT_TRUE(is_refusal("failed to authorize: failed to fetch anonymous token"));
  EXPECT_FALSE(is_refusal("127.0.0.1:5000/x:1: not found"));
  const std::string name = "127.0.0.1:5000/x:1";
  AuthLookup lookup;
  EXPECT_THAT(explain_refusal(name, lookup), AllOf(HasSubstr("127.0.0.1:5000 wants"), HasSubstr("registry_auth_file")));
  lookup.file = "/etc/auth.json";
  EXPECT_THAT(explain_refusal(name, lookup), HasSubstr("/etc/auth.json has none for it"));
  lookup.problem = "/etc/auth.json is open to other users";
  EXPECT_THAT(explain_refusal(name, lookup), HasSubstr("open to other users"));
  lookup.found = RegistryAuth{"ann", "secret", "", ""};
  EXPECT_THAT(explain_refusal(name, lookup), AllOf(HasSubstr("refused the credentials"), Not(HasSubstr("secret"))));
}

}  // namespace
}  // namespace sandboxd::containerd
