// CNI network configurations ("conflists"): the parser of a user's file and the generator of our own.
//
// Pure but for load_config(). Only the shape that the chain needs is checked (name, version, plugin types); what a
// plugin's keys mean is the plugin's business and is passed on untouched.
#pragma once

#include "base/result.hpp"

#include <boost/json/object.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::cni {

struct NetworkConfig {
  std::string cni_version;
  std::string name;
  std::vector<boost::json::object> plugins;  // each with a "type"
};

// A conflist, or the configuration of a single plugin. invalid_argument says which key is wrong.
[[nodiscard]] Result<NetworkConfig> parse_config(std::string_view text);
[[nodiscard]] std::string to_text(const NetworkConfig& config);
// parse_config() of a file; the file's name is in the error.
[[nodiscard]] Result<NetworkConfig> load_config(const std::string& path);

struct DefaultConfigOptions {
  std::string name;      // of the network: host-local's folder and the cache carry it
  std::string bridge;    // interface name
  std::string subnet;    // "10.89.0.0/16"
  std::string gateway;   // the bridge's address
  std::string ipam_dir;  // host-local's reservations, one file an address
};

// Plugin bridge as a gateway, without its own masquerade (network/ does it) and without hairpin; host-local addresses
// and a default route. No loopback plugin: whoever makes the namespace brings `lo` up.
[[nodiscard]] NetworkConfig default_config(const DefaultConfigOptions& options);

}  // namespace sandboxd::cni
