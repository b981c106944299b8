#include "cni/result.hpp"

#include <gtest/gtest.h>

namespace sandboxd::cni {
namespace {

constexpr const char* kVersion1 = R"({"cniVersion":"1.0.0",
  "interfaces":[{"name":"sbx-br0","mac":"02:00:00:00:00:01"},{"name":"veth1a2b","mac":"02:00:00:00:00:02"},
                {"name":"eth0","mac":"02:00:00:00:00:03","sandbox":"/run/netns/x"}],
  "ips":[{"interface":2,"address":"fd00::2/64"},{"interface":2,"address":"10.89.0.5/16","gateway":"10.89.0.1"}]})";

TEST(CniResult, ReadsVersionOne) {
  const auto info = parse_result(kVersion1, {"sbx-br0"}).value();
  EXPECT_EQ(info.host_interface, "veth1a2b");
  EXPECT_EQ(info.mac, "02:00:00:00:00:03");
  EXPECT_EQ(info.ip, "10.89.0.5");
  EXPECT_EQ(info.gateway, "10.89.0.1");
}

TEST(CniResult, ReadsTheFamilyThatOlderVersionsName) {
  const auto info = parse_result(R"({"cniVersion":"0.3.1","interfaces":[],
    "ips":[{"version":"6","address":"fd00::2/64"},{"version":"4","address":"10.1.0.9/24"}]})",
                                 {})
                        .value();
  EXPECT_EQ(info.ip, "10.1.0.9");
  EXPECT_EQ(info.host_interface, "");
}

TEST(CniResult, NonsenseIsAProtocolError) {
  for (const char* text :
       {"", "no", "[]", "{}", R"({"ips":[]})", R"({"ips":[1]})", R"({"ips":[{"address":"fd00::1/64"}]})"}) {
    const auto refused = parse_result(text, {});
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().code(), ErrorCode::protocol_error) << text;
  }
}

TEST(CniResult, AnErrorObjectIsQuoted) {
  const Error error = plugin_error("bridge", "ADD", 1, R"({"code":7,"msg":"bad","details":"very"})", "noise");
  EXPECT_EQ(error.code(), ErrorCode::network_failed);
  EXPECT_EQ(error.message(), "CNI plugin bridge ADD failed (exit code 1): bad; very");
}

TEST(CniResult, WithoutAnErrorObjectStandardErrorIsQuoted) {
  EXPECT_EQ(plugin_error("x", "DEL", 2, "", "went wrong\n").message(),
            "CNI plugin x DEL failed (exit code 2): went wrong");
  EXPECT_EQ(plugin_error("x", "DEL", 2, "", "").message(), "CNI plugin x DEL failed (exit code 2): no message");
}

TEST(CniResult, AFullRangeIsExhaustion) {
  const Error error = plugin_error(
      "bridge", "ADD", 1,
      R"({"code":999,"msg":"failed to allocate for range 0: no IP addresses available in range set"})", "");
  EXPECT_EQ(error.code(), ErrorCode::resource_exhausted);
}

}  // namespace
}  // namespace sandboxd::cni
