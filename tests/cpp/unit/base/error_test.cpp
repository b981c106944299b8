#include "base/error.hpp"

#include "base/result.hpp"

#include <gtest/gtest.h>

#include <cerrno>

namespace sandboxd {
namespace {

Result<int> half(int number) {
  if (number % 2 != 0) return Error(ErrorCode::invalid_argument, "odd");
  return number / 2;
}

Result<int> quarter(int number) {
  SBX_TRY(once, half(number));
  SBX_TRY(twice, half(once));
  return twice;
}

TEST(Error, context_goes_in_front_and_keeps_code_and_reasons) {
  const Error inner = Error(ErrorCode::unschedulable, "no room").with_reasons({"a: full", "b: cordoned"});
  const Error outer = inner.with_context("sandbox s1");
  EXPECT_EQ(outer.message(), "sandbox s1: no room");
  EXPECT_EQ(outer.code(), ErrorCode::unschedulable);
  EXPECT_EQ(outer.reasons().size(), 2U);
}

TEST(Error, errno_maps_to_the_code_that_a_caller_can_act_on) {
  EXPECT_EQ(errno_error(ENOENT, "open x").code(), ErrorCode::not_found);
  EXPECT_EQ(errno_error(ENOSPC, "write x").code(), ErrorCode::storage_failed);
  EXPECT_EQ(errno_error(EINVAL, "ioctl", ErrorCode::network_failed).code(), ErrorCode::network_failed);
  EXPECT_EQ(errno_error(ENOENT, "open x").message(), "open x: No such file or directory");
}

TEST(Result, try_passes_the_first_error_up) {
  EXPECT_EQ(quarter(8).value(), 2);
  EXPECT_EQ(quarter(6).error().message(), "odd");
}

TEST(Result, value_of_an_error_throws_it) { EXPECT_THROW((void)half(3).value(), ErrorException); }

TEST(ErrorCode, every_code_has_a_name_and_a_status) {
  for (int i = 0; i <= static_cast<int>(ErrorCode::internal); ++i) {
    const auto code = static_cast<ErrorCode>(i);
    EXPECT_GE(http_status(code), 400);
    EXPECT_EQ(to_string(code) == "internal", code == ErrorCode::internal);
  }
}

}  // namespace
}  // namespace sandboxd
