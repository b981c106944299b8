#include "codec/json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>

namespace sandboxd::codec {
namespace {

using testing::HasSubstr;

// What reading one field `x` of a document says; empty when it is fine.
template <class T>
std::string problem_of(std::string_view text, T& out, ReadOptions options = {}) {
  const auto document = read_json(text);
  if (!document) return document.error().message();
  ReadErrors errors(options);
  Reader(*document, errors).read("x", out);
  const auto status = errors.status();
  return status ? std::string() : status.error().message();
}

TEST(ReadJson, malformed_text_says_where) {
  const auto failed = read_json("{\"a\": nope}");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::invalid_argument);
  EXPECT_THAT(failed.error().message(), HasSubstr("malformed JSON at byte"));
}

TEST(ReadJson, empty_and_cut_texts_are_errors) {
  for (const char* text : {"", "  \n", "{", "[1,", "\"abc", "tru"}) EXPECT_FALSE(read_json(text)) << text;
}

TEST(ReadJson, bytes_after_the_value_are_an_error_unless_asked_for) {
  EXPECT_FALSE(read_json("{} x"));
  const auto first = read_json("{\"a\":1} x", {.first_value_only = true});
  ASSERT_TRUE(first);
  EXPECT_EQ(write_json(*first), "{\"a\":1}");
  EXPECT_TRUE(read_json(" {} \n"));
  EXPECT_TRUE(read_json("12"));
}

TEST(ReadJson, null_may_stand_for_an_empty_object) {
  EXPECT_TRUE(read_json("null")->is_null());
  EXPECT_TRUE(read_json("null", {.null_is_empty_object = true})->is_object());
}

TEST(ReadJson, nesting_is_bounded) {
  const std::string deep(32, '[');
  EXPECT_TRUE(read_json(deep + std::string(32, ']')));
  const auto failed = read_json("[" + deep + std::string(33, ']'));
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message(), HasSubstr("32 levels"));
}

TEST(ReadJson, the_last_of_two_equal_keys_wins) { EXPECT_EQ(write_json(*read_json("{\"a\":1,\"a\":2}")), "{\"a\":2}"); }

TEST(ReadJson, fractions_are_read_exactly) {
  for (const char* text : {"1234567890123456781.5", "0.1", "4.35", "9007199254740993.0", "-0e3"}) {
    const std::string once = write_json(*read_json(text));
    EXPECT_EQ(write_json(*read_json(once)), once) << text;
    EXPECT_EQ(read_json(text)->as_double(), std::strtod(text, nullptr)) << text;
  }
}

TEST(ReadJson, the_callers_code_is_used) {
  EXPECT_EQ(read_json("{", {.code = ErrorCode::protocol_error}).error().code(), ErrorCode::protocol_error);
}

TEST(Reader, an_error_names_the_whole_path) {
  const auto document = read_json(R"({"a":{"list":[{"n":"ok"},{"n":7}]}})");
  ReadErrors errors;
  std::string text;
  Reader(*document, errors).object("a", [&](const Reader& a) {
    a.each("list", [&](const Reader& item) { item.read("n", text); });
  });
  EXPECT_EQ(errors.status().error().message(), "a.list[1].n: a string is expected, not a number");
}

TEST(Reader, a_missing_required_field_is_named) {
  const auto document = read_json(R"({"a":{"b":null}})");
  ReadErrors errors;
  std::string text;
  Reader(*document, errors).object("a", [&](const Reader& a) { a.require("b", text); });
  EXPECT_EQ(errors.status().error().message(), "a.b: is required");
}

TEST(Reader, the_first_problem_is_kept) {
  const auto document = read_json(R"({"a":1,"b":2})");
  ReadErrors errors;
  std::string text = "before";
  const Reader in(*document, errors);
  in.read("a", text);
  in.read("b", text);
  EXPECT_THAT(errors.status().error().message(), HasSubstr("a: "));
  EXPECT_EQ(text, "before");
}

TEST(Reader, integers_have_neither_fraction_nor_exponent) {
  std::int64_t number = 5;
  for (const char* text : {R"({"x":1.5})", R"({"x":1e3})", R"({"x":1.0})", R"({"x":"1"})", R"({"x":true})"}) {
    EXPECT_THAT(problem_of(text, number), HasSubstr("an integer is expected")) << text;
  }
  EXPECT_EQ(number, 5);
  EXPECT_EQ(problem_of(R"({"x":-9223372036854775808})", number), "");
  EXPECT_EQ(number, std::numeric_limits<std::int64_t>::min());
}

TEST(Reader, integers_are_range_checked) {
  int narrow = 0;
  std::int64_t wide = 0;
  std::uint32_t natural = 0;
  EXPECT_THAT(problem_of(R"({"x":2147483648})", narrow), HasSubstr("must be between"));
  EXPECT_THAT(problem_of(R"({"x":9223372036854775808})", wide), HasSubstr("must be between"));
  EXPECT_THAT(problem_of(R"({"x":-1})", natural), HasSubstr("must be between"));
  EXPECT_EQ(problem_of(R"({"x":4294967295})", natural), "");
}

TEST(Reader, doubles_are_finite) {
  double number = 0;
  EXPECT_THAT(problem_of(R"({"x":1e400})", number), HasSubstr("out of range"));
  EXPECT_EQ(problem_of(R"({"x":2})", number), "");
  EXPECT_EQ(number, 2.0);
}

TEST(Reader, null_counts_as_absent) {
  std::string text = "before";
  EXPECT_EQ(problem_of(R"({"x":null})", text), "");
  EXPECT_EQ(text, "before");
  std::vector<std::string> list;
  EXPECT_EQ(problem_of(R"({"x":["a",null]})", list), "");
  EXPECT_THAT(list, testing::ElementsAre("a", ""));
}

TEST(Reader, names_match_exactly_or_as_go_does) {
  std::string text;
  const auto document = read_json(R"({"HOSTPORT":"a","host_port":"b"})");
  ReadErrors strict;
  Reader(*document, strict).read("hostPort", text);
  EXPECT_EQ(text, "");
  ReadErrors lenient({.ignore_case = true});
  const Reader in(*document, lenient);
  in.read("hostPort", text);
  EXPECT_EQ(text, "a");
  in.read("Host_Port", text);
  EXPECT_EQ(text, "b");
}

TEST(Reader, of_two_spellings_either_is_taken) {
  std::string text;
  const auto document = read_json(R"({"host_port":"b"})");
  ReadErrors errors;
  Reader(*document, errors).read({"hostPort", "host_port"}, text);
  EXPECT_EQ(text, "b");
}

TEST(Reader, an_array_where_an_object_belongs_is_an_error) {
  std::string text;
  EXPECT_EQ(problem_of("[1]", text), "an object is expected, not an array");
  std::map<std::string, std::string> map;
  EXPECT_EQ(problem_of(R"({"x":{"k":1}})", map), "x.k: a string is expected, not a number");
}

TEST(WriteJson, is_compact_and_escapes_as_the_original) {
  json::object object;
  object["b"] = "<a href=\"x\">&\\\n\x01";
  object["a"] = json::array({1, -2, true, nullptr, 1.5});
  object["u"] = "\xe2\x80\xa8\xe2\x82\xac";
  EXPECT_EQ(write_json(object),
            R"({"b":"\u003ca href=\"x\"\u003e\u0026\\\n\u0001","a":[1,-2,true,null,1.5],"u":"\u2028)"
            "\xe2\x82\xac\"}");
}

TEST(WriteJson, invalid_utf8_is_replaced) {
  json::object object;
  object["a"] = "x\xff\xc3(\xed\xa0\x80y\xe2\x82";
  const std::string text = write_json(object);
  ASSERT_TRUE(read_json(text)) << text;
  EXPECT_EQ(text,
            "{\"a\":\"x\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdy\xef\xbf\xbd\xef\xbf\xbd\"}");
  EXPECT_EQ(valid_utf8("a\xff"), "a\xef\xbf\xbd");
  EXPECT_EQ(valid_utf8("a\xff", 4), "a\xef\xbf\xbd");
  EXPECT_EQ(valid_utf8("a\xff\xff", 6), "a\xef\xbf\xbd") << "no half character";
  EXPECT_EQ(valid_utf8("abcdef", 3), "abc");
  EXPECT_EQ(valid_utf8("\xf0\x9f\x98\x80"), "\xf0\x9f\x98\x80");
}

TEST(WriteJson, numbers_that_are_not_finite_become_null) {
  json::array array;
  array.emplace_back(std::numeric_limits<double>::infinity());
  EXPECT_EQ(write_json(array), "[null]");
}

}  // namespace
}  // namespace sandboxd::codec
