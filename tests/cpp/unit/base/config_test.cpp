#include "base/config.hpp"

#include <gtest/gtest.h>

#include <array>

namespace sandboxd {
namespace {

struct Sample {
  std::string text = "a";
  std::int64_t size = 2048;
  bool flag = false;
  Duration wait = std::chrono::milliseconds(1500);
  std::vector<std::string> items = {"x", "y"};

  static std::span<const ConfigField<Sample>> fields() {
    static const std::array<ConfigField<Sample>, 5> table{{
        {"text", &Sample::text, "A text.", "old_text", "OLD_TEXT", true},
        {"size", &Sample::size, "A size in bytes.", "", ""},
        {"flag", &Sample::flag, "A flag.", "", ""},
        {"wait", &Sample::wait, "A time.", "", ""},
        {"items", &Sample::items, "A list.", "", ""},
    }};
    return table;
  }
};

TEST(Config, sets_each_kind_of_field_from_text) {
  Sample sample;
  ASSERT_TRUE(set_field(sample, "text", "hello"));
  ASSERT_TRUE(set_field(sample, "size", "128Mi"));
  ASSERT_TRUE(set_field(sample, "flag", "Yes"));
  ASSERT_TRUE(set_field(sample, "wait", "1h30m"));
  ASSERT_TRUE(set_field(sample, "items", " p, q ,,r"));
  EXPECT_EQ(sample.text, "hello");
  EXPECT_EQ(sample.size, 128 * 1024 * 1024);
  EXPECT_TRUE(sample.flag);
  EXPECT_EQ(sample.wait, std::chrono::minutes(90));
  EXPECT_EQ(sample.items, (std::vector<std::string>{"p", "q", "r"}));
}

TEST(Config, names_the_field_and_what_was_expected) {
  Sample sample;
  const auto bad = set_field(sample, "wait", "soon");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code(), ErrorCode::invalid_argument);
  EXPECT_NE(bad.error().message().find("wait: expected a duration"), std::string::npos);
  EXPECT_FALSE(set_field(sample, "size", "12Q"));
  EXPECT_FALSE(set_field(sample, "size", "9223372036854775807Ti"));
  EXPECT_FALSE(set_field(sample, "flag", "maybe"));
  EXPECT_FALSE(set_field(sample, "nothing", "1"));
}

TEST(Config, describes_the_table_with_defaults_as_text) {
  const auto fields = describe_fields<Sample>();
  ASSERT_EQ(fields.size(), 5U);
  EXPECT_EQ(fields[0].original_key, "old_text");
  EXPECT_TRUE(fields[0].is_secret);
  EXPECT_EQ(fields[1].default_text, "2048");
  EXPECT_EQ(fields[3].kind, "duration");
  EXPECT_EQ(fields[3].default_text, "1500ms");
  EXPECT_EQ(fields[4].default_text, "x,y");
}

TEST(Config, every_default_text_sets_the_same_value) {
  const Sample defaults;
  for (const auto& field : Sample::fields()) {
    Sample copy;
    ASSERT_TRUE(set_field(copy, field.name, get_field(defaults, field)));
    EXPECT_EQ(get_field(copy, field), get_field(defaults, field));
  }
}

struct Live {
  std::string level = "info";
  std::int64_t place = 1;

  static std::span<const ConfigField<Live>> fields() {
    static const std::array<ConfigField<Live>, 2> table{{
        {.name = "level", .member = &Live::level, .description = "A level.", .is_reloadable = true},
        {.name = "place", .member = &Live::place, .description = "A place."},
    }};
    return table;
  }
};

TEST(Config, a_reload_takes_what_may_change_and_names_what_may_not) {
  Live current;
  Live next;
  EXPECT_TRUE(take_reloadable(current, next).changed.empty());
  next.level = "debug";
  next.place = 2;
  const ConfigReload done = take_reloadable(current, next);
  EXPECT_EQ(done.changed, std::vector<std::string>{"level"});
  EXPECT_EQ(done.need_restart, std::vector<std::string>{"place"});
  EXPECT_EQ(current.level, "debug");
  EXPECT_EQ(current.place, 1);
}

TEST(Config, problems_become_one_error) {
  EXPECT_TRUE(no_problems({}));
  const auto problems = no_problems({"a: wrong", "b: missing"});
  ASSERT_FALSE(problems);
  EXPECT_EQ(problems.error().message(), "a: wrong; b: missing");
}

}  // namespace
}  // namespace sandboxd
