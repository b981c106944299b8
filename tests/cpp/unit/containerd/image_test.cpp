#include "base/sha256.hpp"
#include "containerd/image_document.hpp"
#include "containerd/image_reference.hpp"
#include "containerd/users.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace sandboxd::containerd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kDigest = "sha256:" + std::string(64, 'a');

TEST(ImageReference, IsMadeComplete) {
  const std::pair<std::string, std::string> cases[] = {
      {"alpine", "docker.io/library/alpine:latest"},
      {"alpine:3.20", "docker.io/library/alpine:3.20"},
      {"me/tool:1", "docker.io/me/tool:1"},
      {"docker.io/alpine", "docker.io/library/alpine:latest"},
      {"index.docker.io/library/alpine:1", "docker.io/library/alpine:1"},
      {"localhost/x", "localhost/x:latest"},
      {"127.0.0.1:5000/a/b:c", "127.0.0.1:5000/a/b:c"},
      {"registry.example/a__b/c-d.e", "registry.example/a__b/c-d.e:latest"},
      {"alpine@" + kDigest, "docker.io/library/alpine@" + kDigest},
      {"alpine:3@" + kDigest, "docker.io/library/alpine@" + kDigest},
      {"[::1]:5000/x:1", "[::1]:5000/x:1"},
      {"localhost:5000/x", "localhost:5000/x:latest"},
      {"registry:5000/x", "registry:5000/x:latest"},
      {"registry:5000/team/x:7", "registry:5000/team/x:7"},
      {"registry/x", "docker.io/registry/x:latest"},
      {"registry:5000/x:7@" + kDigest, "registry:5000/x@" + kDigest},
  };
  for (const auto& [text, expected] : cases) {
    const auto name = normalise_reference(text);
    ASSERT_TRUE(name) << text << ": " << name.error().message();
    EXPECT_EQ(*name, expected);
  }
}

TEST(ImageReference, MalformedOnesAreTheCallersMistake) {
  for (const std::string text : {"", " ", "Alpine", "a//b", "a/", "/a", "a:", "a:b:c", "a:-x", "a@sha256:12", "a b",
                                 "a.example:port/x", "a..b/c", "-a", "a-", "a___b", "a;rm -rf", "a\nb"}) {
    const auto name = normalise_reference(text);
    ASSERT_FALSE(name) << text << " became " << *name;
    EXPECT_EQ(name.error().code(), ErrorCode::invalid_argument);
    EXPECT_THAT(name.error().message(), HasSubstr("invalid image reference"));
  }
  EXPECT_FALSE(normalise_reference(std::string(600, 'a')));
}

TEST(ImageDocument, TheManifestOfThisMachineIsChosen) {
  const std::string other = R"({"digest":"sha256:1","platform":{"os":"windows","architecture":"amd64"}})";
  const std::string ours = R"({"digest":"sha256:2","platform":{"os":"linux","architecture":")"
#if defined(__aarch64__)
                           "arm64"
#else
                           "amd64"
#endif
                           R"("}})";
  EXPECT_EQ(choose_manifest(R"({"manifests":[)" + other + "," + ours + "]}")->digest, "sha256:2");
  EXPECT_THAT(choose_manifest(R"({"manifests":[)" + other + "]}").error().message(), HasSubstr("no variant"));
  EXPECT_EQ(choose_manifest(R"({"manifests":[{"digest":"sha256:3"}]})")->digest, "sha256:3");
}

TEST(ImageDocument, AConfigIsReadWhateverIsMissing) {
  const auto full = parse_image_config(
      R"({"config":{"Entrypoint":["/e"],"Cmd":["c"],"Env":["A=b"],"WorkingDir":"/w","User":"u:g","StopSignal":"SIGINT",)"
      R"("Volumes":{"/data":{}}},"rootfs":{"diff_ids":["sha256:x","sha256:y"]}})");
  ASSERT_TRUE(full);
  EXPECT_THAT(full->info.entrypoint, ElementsAre("/e"));
  EXPECT_THAT(full->info.volumes, ElementsAre("/data"));
  EXPECT_EQ(full->info.user, "u:g");
  EXPECT_THAT(full->diff_ids, ElementsAre("sha256:x", "sha256:y"));
  const auto bare = parse_image_config(R"({"config":{"Cmd":null,"Env":7}})");
  ASSERT_TRUE(bare);
  EXPECT_THAT(bare->info.command, IsEmpty());
}

TEST(ImageDocument, AConfigForAnotherMachineIsRefused) {
  const auto fits = [](const char* text) { return check_platform(*parse_image_config(text)).has_value(); };
  EXPECT_FALSE(fits(R"({"architecture":"s390x","os":"linux"})"));
  EXPECT_FALSE(fits(R"({"os":"windows"})"));
  EXPECT_TRUE(fits(R"({"os":"linux"})"));
  EXPECT_TRUE(fits("{}"));
  EXPECT_THAT(check_platform(*parse_image_config(R"({"architecture":"s390x","os":"linux"})")).error().message(),
              HasSubstr("linux/s390x, and this machine is linux/"));
}

TEST(ImageDocument, NonsenseIsAnImageError) {
  for (const char* text : {"", "[]", "{", "null", R"({"config":{"digest":"md5:1"},"layers":[]})", R"({"layers":{}})"}) {
    const auto manifest = parse_manifest(text);
    ASSERT_FALSE(manifest) << text;
    EXPECT_EQ(manifest.error().code(), ErrorCode::image_failed);
  }
}

TEST(ImageDocument, ChainIdsFollowTheSpecification) {
  const auto chain = chain_ids({"sha256:a", "sha256:b"});
  EXPECT_THAT(chain, ElementsAre("sha256:a", "sha256:" + sha256_hex("sha256:a sha256:b")));
}

constexpr const char* kPasswd = "root:x:0:0:root:/root:/bin/sh\nbroken\napp:x:1000:1001::/home/app:/bin/sh\n";
constexpr const char* kGroup = "root:x:0:\nstaff:x:50:other,app\nappgroup:x:1001:app\n";

TEST(Users, AreResolvedAsDockerDoes) {
  const auto app = resolve_user("app", kPasswd, kGroup);
  ASSERT_TRUE(app);
  EXPECT_EQ(app->uid, 1000U);
  EXPECT_EQ(app->gid, 1001U);
  EXPECT_THAT(app->additional_gids, ElementsAre(50U));
  EXPECT_EQ(app->home, "/home/app");
  EXPECT_EQ(resolve_user("1000", kPasswd, kGroup)->gid, 1001U);
  EXPECT_EQ(resolve_user("4242", kPasswd, kGroup)->gid, 0U);
  const auto with_group = resolve_user("app:staff", kPasswd, kGroup);
  EXPECT_EQ(with_group->gid, 50U);
  EXPECT_THAT(with_group->additional_gids, IsEmpty());
  EXPECT_EQ(resolve_user("5:6", "", "")->gid, 6U);
  EXPECT_EQ(resolve_user("", "", "")->uid, 0U);
}

TEST(Users, UnknownNamesAreNamed) {
  EXPECT_THAT(resolve_user("ghost", kPasswd, kGroup).error().message(), HasSubstr("user \"ghost\""));
  EXPECT_THAT(resolve_user("app:ghosts", kPasswd, kGroup).error().message(), HasSubstr("group \"ghosts\""));
  EXPECT_FALSE(resolve_user("a:b:c", kPasswd, kGroup));
  EXPECT_FALSE(resolve_user("99999999999", kPasswd, kGroup));
}

TEST(Users, OnlyNamesAndUidsWithoutAGroupNeedTheImage) {
  EXPECT_FALSE(needs_lookup(""));
  EXPECT_FALSE(needs_lookup("1:2"));
  EXPECT_TRUE(needs_lookup("1"));
  EXPECT_TRUE(needs_lookup("app:2"));
}

TEST(Users, LayersAreReadFromTheTopAndNeverLeft) {
  namespace fs = std::filesystem;
  const fs::path base = fs::temp_directory_path() / ("sandboxd-layers-" + std::to_string(getpid()));
  fs::create_directories(base / "top/etc");
  fs::create_directories(base / "bottom/etc");
  std::ofstream(base / "outside") << "host";
  std::ofstream(base / "bottom/etc/passwd") << "bottom";
  const std::vector<std::string> layers = {base / "top", base / "bottom"};
  EXPECT_EQ(read_from_layers(layers, "etc/passwd"), "bottom");
  std::ofstream(base / "top/etc/passwd") << "top";
  EXPECT_EQ(read_from_layers(layers, "etc/passwd"), "top");
  fs::remove(base / "top/etc/passwd");
  fs::create_symlink("../../outside", base / "top/etc/passwd");
  EXPECT_NE(read_from_layers(layers, "etc/passwd"), "host");
  fs::remove_all(base);
}

}  // namespace
}  // namespace sandboxd::containerd
