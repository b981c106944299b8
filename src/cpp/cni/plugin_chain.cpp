#include "cni/plugin_chain.hpp"

#include "cni/result.hpp"

#include <boost/json.hpp>

#include <utility>

namespace sandboxd::cni {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds kPluginTimeout{30};

// One plugin's configuration as it goes to standard input.
json::object plugin_input(const NetworkConfig& config, const json::object& plugin, const std::string& previous) {
  json::object input = plugin;
  input["cniVersion"] = config.cni_version;
  input["name"] = config.name;
  if (previous.empty()) return input;
  boost::system::error_code failure;
  json::value result = json::parse(previous, failure);
  if (!failure) input["prevResult"] = std::move(result);
  return input;
}

ports::ProcessRequest plugin_request(const std::string& verb, const std::string& path, const std::string& bin_dir,
                                     const json::object& input, const ChainCall& call) {
  ports::ProcessRequest request;
  request.argv = {path};
  request.env = {
      {"CNI_COMMAND", verb},
      {"CNI_CONTAINERID", call.container_id},
      {"CNI_NETNS", call.namespace_path},
      {"CNI_IFNAME", call.interface_name},
      {"CNI_ARGS", "IgnoreUnknown=1"},
      {"CNI_PATH", bin_dir},
      {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
  };
  request.stdin_text = json::serialize(input);
  request.timeout = kPluginTimeout;
  return request;
}

}  // namespace

Task<Result<std::string>> PluginChain::execute(std::string verb, json::object plugin, ChainCall call) const {
  const std::string type(plugin.at("type").as_string());
  auto request = plugin_request(verb, bin_dir_ + "/" + type, bin_dir_, plugin, call);
  auto run = co_await runner_.run(std::move(request));
  if (!run && run.error().code() == ErrorCode::not_found)
    co_return Error(ErrorCode::unavailable, "CNI plugin " + type + " is not in " + bin_dir_ +
                                                ": apt-get install containernetworking-plugins, or set cni_bin_dir");
  if (!run) co_return run.error().with_context("CNI plugin " + type + " " + verb);
  if (run->exit_code != 0) co_return plugin_error(type, verb, run->exit_code, run->stdout_text, run->stderr_text);
  co_return std::move(run->stdout_text);
}

Task<Result<std::string>> PluginChain::add(NetworkConfig config, ChainCall call) const {
  std::string result;
  for (const json::object& plugin : config.plugins) {
    json::object input = plugin_input(config, plugin, result);
    auto step = co_await execute("ADD", std::move(input), call);
    if (!step) {
      // Of all plugins, as the specification asks: the failed one may have left something too.
      auto undone = co_await del(std::move(config), std::move(call), std::move(result));
      if (!undone) co_return step.error().with_reasons({"removal: " + undone.error().message()});
      co_return std::move(step).error();
    }
    if (!step->empty()) result = *std::move(step);
  }
  co_return result;
}

Task<Result<void>> PluginChain::del(NetworkConfig config, ChainCall call, std::string result_text) const {
  Result<void> outcome;
  for (auto plugin = config.plugins.rbegin(); plugin != config.plugins.rend(); ++plugin) {
    json::object input = plugin_input(config, *plugin, result_text);
    auto step = co_await execute("DEL", std::move(input), call);
    if (!step && outcome) outcome = std::move(step).error();
  }
  co_return outcome;
}

}  // namespace sandboxd::cni
