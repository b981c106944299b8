// Each sanitizer of this tree must end the program on its kind of fault: otherwise clean runs would prove nothing.
#include <gtest/gtest.h>

#include <climits>
#include <cstdlib>
#include <memory>
#include <thread>

namespace sandboxd {
namespace {

#if __has_feature(thread_sanitizer)

TEST(PlantedFaults, a_race_is_found) {
  const auto race = [] {
    int shared = 0;
    std::thread other([&shared] { ++shared; });
    ++shared;
    other.join();
    std::exit(0);
  };
  EXPECT_EXIT(race(), testing::ExitedWithCode(66), "data race");
}

#endif

#if __has_feature(address_sanitizer)

TEST(PlantedFaults, a_use_after_free_is_found) {
  const auto use = [] {
    auto owner = std::make_unique<int>(1);
    const volatile int* kept = owner.get();
    owner.reset();
    return *kept;
  };
  EXPECT_DEATH(use(), "heap-use-after-free");
}

#endif

#if __has_feature(undefined_behavior_sanitizer)

TEST(PlantedFaults, a_signed_overflow_is_found) {
  const auto overflow = [] {
    volatile int number = INT_MAX;
    number = number + 1;
  };
  EXPECT_DEATH(overflow(), "signed integer overflow");
}

#endif

}  // namespace
}  // namespace sandboxd
