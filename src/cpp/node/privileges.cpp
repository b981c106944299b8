#include "node/privileges.hpp"

#include "model/capabilities.hpp"

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>

namespace sandboxd::node {
namespace {

std::string capitals(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return out;
}

bool is_default_capability(std::string_view name) {
  const std::string upper = capitals(name);
  std::string_view plain = upper;
  if (plain.starts_with("CAP_")) plain.remove_prefix(4);
  const auto& known = model::kDefaultCapabilities;
  return std::find(known.begin(), known.end(), plain) != known.end();
}

bool lifts_seccomp(std::string_view option) {
  const std::string upper = capitals(option);
  return upper == "SECCOMP=UNCONFINED" || upper == "SECCOMP:UNCONFINED";
}

Error refusal(const model::Container& container, const std::string& option, const std::string& handler) {
  return Error(ErrorCode::invalid_argument, "container " + container.name + ": " + option + " is not allowed under " +
                                                handler + " on this node (setting privileged_options)");
}

}  // namespace

Result<void> check_privileges(const NodeConfig& config, const model::SandboxSpec& spec) {
  const std::string& handler = spec.runtime.empty() ? config.runtime : spec.runtime;
  if (config.privileged_options == "always") return {};
  if (config.privileged_options == "isolated" && handler == "runsc") return {};
  for (const model::Container& container : spec.containers) {
    for (const std::string& name : container.cap_add) {
      if (!is_default_capability(name)) return refusal(container, "capAdd \"" + name + "\"", handler);
    }
    for (const std::string& option : container.security_opt) {
      if (lifts_seccomp(option)) return refusal(container, "securityOpt \"" + option + "\"", handler);
    }
  }
  return {};
}

}  // namespace sandboxd::node
