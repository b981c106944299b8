#include "cni/config.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace sandboxd::cni {
namespace {

TEST(CniConfig, ReadsAConflistAndWritesItBack) {
  const auto config =
      parse_config(R"({"cniVersion":"0.4.0","name":"n","plugins":[{"type":"bridge","mtu":9000},{"type":"tuning"}]})")
          .value();
  EXPECT_EQ(config.cni_version, "0.4.0");
  EXPECT_EQ(config.name, "n");
  ASSERT_EQ(config.plugins.size(), 2u);
  EXPECT_EQ(config.plugins[0].at("mtu").as_int64(), 9000);
  EXPECT_EQ(parse_config(to_text(config)).value().plugins, config.plugins);
}

TEST(CniConfig, ASinglePluginsConfigurationIsAListOfOne) {
  const auto config = parse_config(R"({"cniVersion":"1.0.0","name":"n","type":"ptp"})").value();
  ASSERT_EQ(config.plugins.size(), 1u);
  EXPECT_EQ(config.plugins[0].at("type").as_string(), "ptp");
}

TEST(CniConfig, SaysWhichKeyIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"{", "not JSON"},
      {"[]", "JSON object"},
      {R"({"name":"n","plugins":[{"type":"a"}]})", "cniVersion"},
      {R"({"cniVersion":"0.2.0","name":"n","plugins":[{"type":"a"}]})", "0.2.0"},
      {R"({"cniVersion":"1.0.0","plugins":[{"type":"a"}]})", "name"},
      {R"({"cniVersion":"1.0.0","name":"n","plugins":[]})", "plugins"},
      {R"({"cniVersion":"1.0.0","name":"n","plugins":[1]})", "plugins"},
      {R"({"cniVersion":"1.0.0","name":"n","plugins":[{}]})", "type"},
      {R"({"cniVersion":"1.0.0","name":"n","plugins":[{"type":"../evil"}]})", "../evil"},
  };
  for (const auto& [text, expected] : cases) {
    const auto refused = parse_config(text);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().code(), ErrorCode::invalid_argument) << text;
    EXPECT_NE(refused.error().message().find(expected), std::string::npos) << refused.error().message();
  }
}

TEST(CniConfig, AMissingFileIsNamed) {
  const auto refused = load_config("/no/such.conflist");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("/no/such.conflist"), std::string::npos);
}

TEST(CniConfig, OurDefaultLeavesMasqueradeToUs) {
  DefaultConfigOptions options;
  options.name = "sandboxd-0";
  options.bridge = "sbx-br0";
  options.subnet = "10.89.0.0/16";
  options.gateway = "10.89.0.1";
  options.ipam_dir = "/run/x/ipam";
  const auto config = parse_config(to_text(default_config(options))).value();
  ASSERT_EQ(config.plugins.size(), 1u);
  const auto& bridge = config.plugins[0];
  EXPECT_EQ(bridge.at("type").as_string(), "bridge");
  EXPECT_EQ(bridge.at("bridge").as_string(), "sbx-br0");
  EXPECT_TRUE(bridge.at("isGateway").as_bool());
  EXPECT_FALSE(bridge.at("ipMasq").as_bool());
  EXPECT_FALSE(bridge.at("hairpinMode").as_bool());
  const auto& ipam = bridge.at("ipam").as_object();
  EXPECT_EQ(ipam.at("dataDir").as_string(), "/run/x/ipam");
  EXPECT_EQ(ipam.at("ranges").as_array()[0].as_array()[0].at("subnet").as_string(), "10.89.0.0/16");
  EXPECT_EQ(ipam.at("routes").as_array()[0].at("dst").as_string(), "0.0.0.0/0");
}

}  // namespace
}  // namespace sandboxd::cni
