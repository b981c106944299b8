#include "codec/output_frames.hpp"

#include <gtest/gtest.h>

namespace sandboxd::codec::guest {
namespace {

using namespace std::string_literals;

TEST(OutputFrames, SayStreamLengthAndPosition) {
  EXPECT_EQ(encode_output_head({false, 0, "ab"}), "\1\0\0\0\0\0\0\2\0\0\0\0\0\0\0\0"s);
  EXPECT_EQ(encode_output_head({true, 0x0102030405060708, "\xff\0"s}), "\2\0\0\0\0\0\0\2\1\2\3\4\5\6\7\x08"s);
  EXPECT_EQ(encode_output_head({false, 1, std::string(0x10203, 'x')}), "\1\0\0\0\0\1\2\3\0\0\0\0\0\0\0\1"s);
}

TEST(OutputFrames, EndWithJson) { EXPECT_EQ(encode_output_end("{}"), "\3\0\0\0\0\0\0\2\0\0\0\0\0\0\0\0{}"s); }

}  // namespace
}  // namespace sandboxd::codec::guest
