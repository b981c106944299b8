#include "codec/json_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sandboxd::codec {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(JsonText, names_the_outermost_members_only) {
  const auto members = object_members(R"( {"a":1,"b":{"c":[{"d":2}]},"\u0065\n":null,"":[]} )");
  ASSERT_TRUE(members) << members.error().message();
  EXPECT_THAT(*members, ElementsAre("a", "b", "e\n", ""));
  EXPECT_TRUE(object_members("{}")->empty());
}

TEST(JsonText, numbers_may_be_of_any_size) {
  EXPECT_TRUE(object_members(R"({"a":123456789012345678901234567890,"b":-1e999,"c":0.1000})"));
}

TEST(JsonText, anything_but_one_object_is_a_protocol_error) {
  for (const std::string& text :
       {std::string(), std::string(" "), std::string("null"), std::string("1"), std::string("[{}]"),
        std::string("\"a\""), std::string("{"), std::string("{\"a\"}"), std::string("{\"a\":1,}"), std::string("{} {}"),
        std::string("{}x"), std::string("{\"a\":01}"), std::string("{\"a\":\"\xff\"}"), std::string("{\"a\":\"\n\"}"),
        "{\"a\":" + std::string(100, '[') + std::string(100, ']') + "}"}) {
    const auto members = object_members(text);
    ASSERT_FALSE(members) << text;
    EXPECT_EQ(members.error().code(), ErrorCode::protocol_error);
    EXPECT_FALSE(members.error().message().empty());
  }
  EXPECT_THAT(object_members("{\"a\":nope}").error().message(), HasSubstr("malformed JSON at byte "));
}

TEST(JsonText, a_member_is_added_behind_the_others) {
  EXPECT_EQ(with_member("{}", "k", "v"), R"({"k":"v"})");
  EXPECT_EQ(with_member("{ }", "k", "v"), R"({ "k":"v"})");
  EXPECT_EQ(with_member(R"({"a":{}})", "k", "<\"v\">"), R"({"a":{},"k":"\u003c\"v\"\u003e"})");
  EXPECT_EQ(with_member(" {\"a\":\"}\"} ", "k", ""), R"( {"a":"}","k":""} )");
}

}  // namespace
}  // namespace sandboxd::codec
