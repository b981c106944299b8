// The chain and the cache, with plugins that are played.
#include "cni/cni_provider.hpp"

#include "support/run_task.hpp"

#include <boost/json.hpp>
#include <gmock/gmock.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace sandboxd::cni {
namespace {

namespace json = boost::json;
using ::testing::ElementsAre;

constexpr const char* kResult = R"({"cniVersion":"1.0.0","interfaces":[{"name":"veth9"},
  {"name":"eth0","mac":"02:00:00:00:00:03","sandbox":"x"}],"ips":[{"address":"10.89.0.5/16"}]})";

class PlayedPlugins final : public ports::ProcessRunner {
 public:
  Task<Result<ports::ProcessOutcome>> run(ports::ProcessRequest request) override {
    const std::string call =
        request.env.at("CNI_COMMAND") + " " + request.argv[0].substr(request.argv[0].rfind('/') + 1);
    calls.push_back(call);
    requests.push_back(request);
    ports::ProcessOutcome outcome;
    if (call.starts_with("ADD")) outcome.stdout_text = kResult;
    if (call == failing) {
      outcome.exit_code = 1;
      outcome.stdout_text = R"({"code":5,"msg":"played failure"})";
    }
    co_return outcome;
  }

  json::object input(std::size_t call) const { return json::parse(requests.at(call).stdin_text).as_object(); }

  std::vector<std::string> calls;
  std::vector<ports::ProcessRequest> requests;
  std::string failing;
};

class CniProviderTest : public ::testing::Test {
 protected:
  CniProviderTest() {
    std::array<char, 32> name{"/tmp/sandboxd-cni-XXXXXX"};
    directory = ::mkdtemp(name.data());
    options.bin_dir = "/plugins";
    options.cache_dir = directory + "/cache";
    options.config =
        parse_config(R"({"cniVersion":"1.0.0","name":"net","plugins":[{"type":"first"},{"type":"second","k":1}]})")
            .value();
    // Any file stands for the namespace: the plugins are played.
    namespace_path = directory + "/ns";
    std::ofstream(namespace_path) << "";
  }
  ~CniProviderTest() override { std::filesystem::remove_all(directory); }

  std::string directory;
  std::string namespace_path;
  CniOptions options;
  PlayedPlugins plugins;
  boost::asio::io_context context;
};

TEST_F(CniProviderTest, AddsInOrderAndHandsTheResultOn) {
  CniProvider provider(options, plugins);
  const auto info = test::run_task(context, provider.attach("c1", namespace_path)).value();
  EXPECT_EQ(info.ip, "10.89.0.5");
  EXPECT_EQ(info.host_interface, "veth9");
  EXPECT_THAT(plugins.calls, ElementsAre("ADD first", "ADD second"));
  EXPECT_FALSE(plugins.input(0).contains("prevResult"));
  EXPECT_EQ(plugins.input(1).at("prevResult"), json::parse(kResult));
  EXPECT_EQ(plugins.input(1).at("k").as_int64(), 1);
  EXPECT_EQ(plugins.input(1).at("name").as_string(), "net");
  const auto& env = plugins.requests[0].env;
  EXPECT_EQ(env.at("CNI_CONTAINERID"), "c1");
  EXPECT_EQ(env.at("CNI_NETNS"), namespace_path);
  EXPECT_EQ(env.at("CNI_IFNAME"), "eth0");
  EXPECT_EQ(env.at("CNI_PATH"), "/plugins");
  EXPECT_EQ(plugins.requests[0].argv, std::vector<std::string>{"/plugins/first"});
}

TEST_F(CniProviderTest, AFailureRollsBackInReverseAndLeavesNoRecord) {
  plugins.failing = "ADD second";
  CniProvider provider(options, plugins);
  const auto refused = test::run_task(context, provider.attach("c1", namespace_path));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "CNI plugin second ADD failed (exit code 1): played failure");
  EXPECT_THAT(plugins.calls, ElementsAre("ADD first", "ADD second", "DEL second", "DEL first"));
  EXPECT_TRUE(test::run_task(context, provider.attached()).value().empty());
}

TEST_F(CniProviderTest, DelOfAnotherRunHasTheConfigurationAndResultOfTheAdd) {
  {
    CniProvider provider(options, plugins);
    test::run_task(context, provider.attach("c1", namespace_path)).value();
  }
  options.config = parse_config(R"({"cniVersion":"1.0.0","name":"changed","plugins":[{"type":"other"}]})").value();
  plugins.calls.clear();
  plugins.requests.clear();
  CniProvider provider(options, plugins);
  EXPECT_THAT(test::run_task(context, provider.attached()).value(), ElementsAre("c1"));
  std::filesystem::remove(namespace_path);
  test::run_task(context, provider.detach("c1", namespace_path)).value();
  EXPECT_THAT(plugins.calls, ElementsAre("DEL second", "DEL first"));
  EXPECT_EQ(plugins.input(0).at("name").as_string(), "net");
  EXPECT_EQ(plugins.input(0).at("prevResult"), json::parse(kResult));
  EXPECT_EQ(plugins.requests[0].env.at("CNI_NETNS"), "");  // the namespace is gone
  EXPECT_TRUE(test::run_task(context, provider.attached()).value().empty());
}

TEST_F(CniProviderTest, AFailedDelTriesEveryPluginAndKeepsTheRecord) {
  CniProvider provider(options, plugins);
  test::run_task(context, provider.attach("c1", namespace_path)).value();
  plugins.calls.clear();
  plugins.failing = "DEL second";
  EXPECT_FALSE(test::run_task(context, provider.detach("c1", namespace_path)));
  EXPECT_THAT(plugins.calls, ElementsAre("DEL second", "DEL first"));
  EXPECT_THAT(test::run_task(context, provider.attached()).value(), ElementsAre("c1"));
  plugins.failing.clear();
  EXPECT_TRUE(test::run_task(context, provider.detach("c1", namespace_path)));
}

TEST_F(CniProviderTest, WithoutRecordAndNamespaceThereIsNothingToRemove) {
  CniProvider provider(options, plugins);
  EXPECT_TRUE(test::run_task(context, provider.detach("c9", directory + "/gone")));
  EXPECT_TRUE(plugins.calls.empty());
}

TEST_F(CniProviderTest, ATornRecordStillAllowsTheRemoval) {
  CniProvider provider(options, plugins);
  test::run_task(context, provider.attach("c1", namespace_path)).value();
  std::ofstream(options.cache_dir + "/c1.json", std::ios::trunc) << "{\"conf";
  plugins.calls.clear();
  EXPECT_TRUE(test::run_task(context, provider.detach("c1", namespace_path)));
  EXPECT_THAT(plugins.calls, ElementsAre("DEL second", "DEL first"));
}

TEST_F(CniProviderTest, AMissingPluginIsFoundBeforeItIsNeeded) {
  const auto refused = CniProvider(options, plugins).check();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::unavailable);
  EXPECT_NE(refused.error().message().find("apt-get install"), std::string::npos);
}

}  // namespace
}  // namespace sandboxd::cni
