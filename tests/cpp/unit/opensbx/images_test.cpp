#include "orch/api/opensbx/image_wire.hpp"

#include <gtest/gtest.h>

namespace sandboxd::orch::opensbx {
namespace {

TEST(OpensbxImages, names_are_shown_as_people_write_them) {
  EXPECT_EQ(familiar_name("docker.io/library/node:22"), "node:22");
  EXPECT_EQ(familiar_name("docker.io/org/app:1"), "org/app:1");
  EXPECT_EQ(familiar_name("registry.example/x:1"), "registry.example/x:1");
}

TEST(OpensbxImages, members_stand_in_the_originals_order) {
  model::Image image;
  image.digest = "sha256:ab";
  image.names = {"docker.io/library/node:22"};
  image.size_bytes = 7;
  image.created = "2026-01-02T03:04:05Z";
  image.architecture = "amd64";
  image.os = "linux";
  EXPECT_EQ(codec::write_json(image_summary(image)), R"({"id":"sha256:ab","tags":["node:22"],"size":7})");
  EXPECT_EQ(codec::write_json(image_detail(image)),
            R"({"id":"sha256:ab","tags":["node:22"],"size":7,"created":"2026-01-02T03:04:05Z",)"
            R"("architecture":"amd64","os":"linux"})");
  image.names.clear();
  EXPECT_EQ(codec::write_json(image_summary(image)), R"({"id":"sha256:ab","tags":[],"size":7})");
}

}  // namespace
}  // namespace sandboxd::orch::opensbx
