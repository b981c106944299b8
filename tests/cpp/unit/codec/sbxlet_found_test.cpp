#include "codec/sbxlet_found.hpp"

#include "codec/life_mark.hpp"
#include "codec/sbxlet.hpp"

#include <gtest/gtest.h>

namespace sandboxd::codec::sbxlet {
namespace {

const std::string kUid(32, 'a');

TEST(LifeMark, is_a_volume_that_nobody_mounts_and_is_read_back) {
  model::NodeCreateRequest request;
  request.uid = kUid;
  request.spec.volumes = {{"data", {5, "5"}}};
  mark_life(request);
  ASSERT_EQ(request.spec.volumes.size(), 2U);
  EXPECT_EQ(request.spec.volumes[0].name, "data");
  EXPECT_EQ(request.spec.volumes[1].name, "sandboxd-uid-" + kUid);
  EXPECT_LE(request.spec.volumes[1].name.size(), 64U) << "the longest name that a node takes";
  EXPECT_EQ(request.spec.volumes[1].ephemeral_storage_bytes.text, "1");
  EXPECT_EQ(life_of(request.spec.volumes[1].name), kUid);
  EXPECT_EQ(life_of("data"), "");
  EXPECT_EQ(life_of(""), "");
}

TEST(LifeMark, comes_through_the_wire) {
  model::NodeCreateRequest request;
  request.id = SandboxId("a");
  request.uid = kUid;
  request.spec.containers.resize(1);
  request.spec.containers[0].name = "app";
  mark_life(request);
  const auto body = json::parse(encode_create(request)).as_object();
  json::object sandbox;
  sandbox["id"] = "a";
  sandbox["phase"] = "running";
  sandbox["ip"] = "10.0.0.1";
  sandbox["volumes"] = body.at("volumes");
  json::object answer;
  answer["sandbox"] = sandbox;
  const auto found = decode_found(write_json(answer));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->id, SandboxId("a"));
  EXPECT_EQ(found->uid, kUid);
  EXPECT_EQ(found->phase, model::Phase::running);
  EXPECT_EQ(found->ip, "10.0.0.1");
}

TEST(FoundSandbox, without_a_mark_has_no_uid) {
  const auto found =
      decode_found(R"({"sandbox":{"id":"a","phase":"error","error":"no image","volumes":[{"name":"d"}]}})");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->uid, "");
  EXPECT_EQ(found->phase, model::Phase::failed);
  EXPECT_EQ(found->error, "no image");
}

TEST(FoundSandbox, bad_answers_name_the_field) {
  for (const char* body : {"", "[]", "{}", R"({"sandbox":{"phase":"running"}})", R"({"sandbox":{"id":7}})",
                           R"({"sandbox":{"id":"a","phase":"dancing"}})"}) {
    const auto found = decode_found(body);
    ASSERT_FALSE(found) << body;
    EXPECT_EQ(found.error().code(), ErrorCode::protocol_error) << body;
  }
}

TEST(FoundPage, has_items_and_the_next_cursor) {
  const auto page =
      decode_found_page(R"({"items":[{"id":"a","phase":"running"},{"id":"b","phase":"creating"}],"next_cursor":"b"})");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->items.size(), 2U);
  EXPECT_EQ(page->next_cursor, "b");
  const auto last = decode_found_page(R"({"items":[]})");
  ASSERT_TRUE(last);
  EXPECT_TRUE(last->items.empty() && last->next_cursor.empty());
}

TEST(Ok, only_true_is_ok) {
  EXPECT_TRUE(decode_ok(R"({"ok":true})", "healthz"));
  EXPECT_TRUE(decode_ok(R"({"ok":true,"resources":{}})", "node status"));
  for (const char* body : {"", "{}", R"({"ok":false})", R"({"ok":"true"})", "OK", "<html>"}) {
    const auto answer = decode_ok(body, "healthz");
    ASSERT_FALSE(answer) << body;
    EXPECT_EQ(answer.error().message(), "healthz not ok") << body;
  }
}

}  // namespace
}  // namespace sandboxd::codec::sbxlet
