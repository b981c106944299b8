#include "cni/config.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

namespace sandboxd::cni {
namespace {

namespace json = boost::json;

constexpr std::array<std::string_view, 4> kVersions = {"0.3.0", "0.3.1", "0.4.0", "1.0.0"};

Error wrong(const std::string& text) { return Error(ErrorCode::invalid_argument, "CNI configuration: " + text); }

Result<std::string> text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_string() || value->get_string().empty())
    return wrong("\"" + std::string(key) + "\" must be a text that is not empty");
  return std::string(value->get_string());
}

// A plugin's type becomes part of a path: it must be a plain file name.
Result<void> check_plugin(const json::object& plugin) {
  SBX_TRY(type, text_of(plugin, "type"));
  if (type.find('/') != std::string::npos || type.starts_with('.'))
    return wrong("plugin type \"" + type + "\" must be the name of an executable, without a path");
  return {};
}

}  // namespace

Result<NetworkConfig> parse_config(std::string_view text) {
  boost::system::error_code failure;
  const json::value parsed = json::parse(text, failure);
  if (failure) return wrong("not JSON: " + failure.message());
  const json::object* root = parsed.if_object();
  if (root == nullptr) return wrong("must be a JSON object");

  NetworkConfig config;
  SBX_TRY(version, text_of(*root, "cniVersion"));
  if (std::find(kVersions.begin(), kVersions.end(), version) == kVersions.end())
    return wrong("\"cniVersion\" " + version + " is not one of 0.3.0, 0.3.1, 0.4.0, 1.0.0");
  config.cni_version = version;
  SBX_TRY(name, text_of(*root, "name"));
  config.name = name;

  const json::value* plugins = root->if_contains("plugins");
  if (plugins == nullptr) {
    json::object single = *root;
    SBX_CHECK(check_plugin(single));
    config.plugins.push_back(std::move(single));
    return config;
  }
  if (!plugins->is_array() || plugins->get_array().empty())
    return wrong("\"plugins\" must be a list with at least one plugin");
  for (const json::value& entry : plugins->get_array()) {
    if (!entry.is_object()) return wrong("every entry of \"plugins\" must be an object");
    SBX_CHECK(check_plugin(entry.get_object()));
    config.plugins.push_back(entry.get_object());
  }
  return config;
}

std::string to_text(const NetworkConfig& config) {
  json::object root;
  root["cniVersion"] = config.cni_version;
  root["name"] = config.name;
  json::array& plugins = root["plugins"].emplace_array();
  for (const json::object& plugin : config.plugins) plugins.push_back(plugin);
  return json::serialize(root);
}

Result<NetworkConfig> load_config(const std::string& path) {
  std::ifstream file(path);
  if (!file) return errno_error(errno, "open CNI configuration " + path, ErrorCode::invalid_argument);
  std::ostringstream text;
  text << file.rdbuf();
  auto parsed = parse_config(text.str());
  if (!parsed) return parsed.error().with_context(path);
  return parsed;
}

NetworkConfig default_config(const DefaultConfigOptions& options) {
  json::object ipam;
  ipam["type"] = "host-local";
  ipam["dataDir"] = options.ipam_dir;
  json::object range;
  range["subnet"] = options.subnet;
  range["gateway"] = options.gateway;
  json::array range_set;
  range_set.push_back(range);
  ipam["ranges"].emplace_array().push_back(range_set);
  json::object route;
  route["dst"] = "0.0.0.0/0";
  ipam["routes"].emplace_array().push_back(route);

  json::object bridge;
  bridge["type"] = "bridge";
  bridge["bridge"] = options.bridge;
  bridge["isGateway"] = true;
  bridge["ipMasq"] = false;
  bridge["hairpinMode"] = false;
  bridge["ipam"] = ipam;

  NetworkConfig config;
  config.cni_version = "1.0.0";
  config.name = options.name;
  config.plugins.push_back(std::move(bridge));
  return config;
}

}  // namespace sandboxd::cni
