#include "integration/network/lab.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <exception>

// gtest's own main, after leaving the machine's namespaces: that has to happen before any thread starts.
int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (::testing::GTEST_FLAG(list_tests)) return RUN_ALL_TESTS();
  try {
    sandboxd::test::enter_private_machine();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "the private machine cannot be made: %s\n", error.what());
    return 1;
  }
  return RUN_ALL_TESTS();
}
