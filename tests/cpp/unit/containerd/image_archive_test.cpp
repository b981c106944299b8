// What archives say about themselves, and what failed pulls say.
#include "containerd/image_archive.hpp"

#include "containerd/runtime_text.hpp"

#include <gmock/gmock.h>

namespace sandboxd::containerd {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kOne(64, '1');
const std::string kTwo(64, '2');

std::string described(const std::string& hex, const std::string& name) {
  return R"({"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:)" + hex +
         R"(","size":7,"annotations":{"io.containerd.image.name":")" + name +
         R"(","org.opencontainers.image.ref.name":"latest"}})";
}

TEST(ImageArchive, AnOciLayoutNamesItsImages) {
  const auto images = parse_layout_index(R"({"manifests":[)" + described(kOne, "docker.io/team/a:1") + "," +
                                         described(kOne, "docker.io/team/a:2") + "," + described(kTwo, "b") + "]}");
  ASSERT_TRUE(images) << images.error().message();
  ASSERT_EQ(images->size(), 2U);
  EXPECT_THAT((*images)[0].names, ElementsAre("docker.io/team/a:1", "docker.io/team/a:2"));
  EXPECT_EQ((*images)[0].target.size, 7);
  EXPECT_THAT((*images)[1].names, IsEmpty()) << "a bare word is a tag of nobody";
}

TEST(ImageArchive, TheChosenImageIsTheOnlyOneOrTheNamedOne) {
  const auto two = parse_layout_index(R"({"manifests":[)" + described(kOne, "docker.io/team/a:1") + "," +
                                      described(kTwo, "docker.io/team/b:1") + "]}");
  const auto named = choose_image(*two, "docker.io/team/b:1");
  ASSERT_TRUE(named);
  EXPECT_EQ(named->target.digest, "sha256:" + kTwo);
  const auto either = choose_image(*two, "docker.io/team/c:1");
  ASSERT_FALSE(either);
  EXPECT_THAT(either.error().message(), HasSubstr("docker.io/team/a:1, docker.io/team/b:1"));
  EXPECT_FALSE(choose_image({}, ""));
}

TEST(ImageArchive, AnOldDockerArchiveIsUnderstood) {
  const auto images =
      parse_docker_manifest(R"([{"Config":"c.json","RepoTags":["team/a:1"],"Layers":["x/layer.tar","y/layer.tar"]}])");
  ASSERT_TRUE(images);
  EXPECT_THAT((*images)[0].names, ElementsAre("docker.io/team/a:1"));
  EXPECT_THAT((*images)[0].layers, ElementsAre("x/layer.tar", "y/layer.tar"));
  EXPECT_TRUE(parse_docker_manifest(R"([{"Config":"c.json","RepoTags":null,"Layers":[]}])"));
}

TEST(ImageArchive, NonsenseIsRefused) {
  for (const char* text : {"", "[]", "{}", R"({"manifests":1})", R"({"manifests":[1]})",
                           R"({"manifests":[{"digest":"sha256:../../x"}]})", R"({"manifests":[{"digest":"md5:1"}]})"}) {
    const auto images = parse_layout_index(text);
    ASSERT_FALSE(images) << text;
    EXPECT_EQ(images.error().code(), ErrorCode::invalid_argument);
  }
  for (const char* text : {"", "{}", "[1]", R"([{"Layers":[]}])", R"([{"Config":"c","Layers":[1]}])"})
    EXPECT_FALSE(parse_docker_manifest(text)) << text;
  EXPECT_EQ(digest_of_path("blobs/sha256/" + kOne), "sha256:" + kOne);
  const std::string others[] = {"blobs/sha256/" + kOne + "0", "blobs/sha256/../x", "blobs/sha512/" + kOne};
  for (const std::string& path : others) EXPECT_EQ(digest_of_path(path), "") << path;
}

TEST(ImageArchive, ARootfsGetsTheDocumentsOfAnImage) {
  model::RootfsConfig config;
  config.entrypoint = {"/bin/sh", "-c"};
  config.command = {"echo \"hi\""};
  config.env = {"A=b"};
  const auto text = make_rootfs_config(config, "sha256:" + kOne, "2026-01-02T03:04:05Z");
  const auto parsed = parse_image_config(text);
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(parsed->info.entrypoint, config.entrypoint);
  EXPECT_EQ(parsed->info.command, config.command);
  EXPECT_EQ(parsed->info.env, config.env);
  EXPECT_THAT(parsed->diff_ids, ElementsAre("sha256:" + kOne));
  EXPECT_TRUE(check_platform(*parsed));
  const auto manifest =
      parse_manifest(make_manifest({kConfigType, "sha256:" + kOne, 5}, {{kLayerType, "sha256:" + kTwo, 6}}));
  ASSERT_TRUE(manifest);
  EXPECT_EQ(manifest->layers.at(0).size, 6);
}

TEST(PullText, TellsWhoseFaultItIs) {
  const auto code = [](const char* text) { return code_of_pull_text(ErrorCode::image_failed, text); };
  EXPECT_EQ(code(R"(pull image "r/x:1": r/x:1: not found)"), ErrorCode::not_found);
  EXPECT_EQ(code("pull access denied, repository does not exist or may require authorization"),
            ErrorCode::permission_denied);
  EXPECT_EQ(code("unexpected status from HEAD request: 401 Unauthorized"), ErrorCode::permission_denied);
  EXPECT_EQ(
      code(R"(failed to do request: Head "http://127.0.0.1:9/v2/": dial tcp 127.0.0.1:9: connect: connection refused)"),
      ErrorCode::unavailable);
  EXPECT_EQ(code("dial tcp: lookup nowhere.invalid: no such host"), ErrorCode::unavailable);
  EXPECT_EQ(code("the image is for windows/amd64"), ErrorCode::image_failed);
  EXPECT_EQ(code_of_pull_text(ErrorCode::resource_exhausted, "x: not found"), ErrorCode::resource_exhausted);
}

}  // namespace
}  // namespace sandboxd::containerd
