#include "containerd/handler.hpp"

#include "containerd/wire.pb.h"

namespace sandboxd::containerd {

Result<Handler> find_handler(std::string_view name, const std::string& runsc_config_path) {
  Handler handler;
  if (name == "runc") {
    handler.runtime = kRuncRuntime;
    return handler;
  }
  if (name == "runsc") {
    handler.is_runsc = true;
    handler.runtime = kRunscRuntime;
    wire::RuntimeOptions options;
    options.set_type_url("io.containerd.runsc.v1.options");
    options.set_config_path(runsc_config_path);
    handler.options_type = "runtimeoptions.v1.Options";
    handler.options_bytes = options.SerializeAsString();
    return handler;
  }
  return Error(ErrorCode::unsupported, "unknown runtime handler \"" + std::string(name) + "\": use runsc or runc");
}

std::string make_runsc_config(const std::string& binary, const std::map<std::string, std::string>& flags) {
  std::map<std::string, std::string> merged = {{"platform", "systrap"},
                                               {"host-uds", "open"}};  // agents connect to the node's sockets
  for (const auto& [flag, value] : flags) merged[flag] = value;
  std::string text = "# Written at every start of the node agent.\nlog_level = \"warning\"\n";
  if (!binary.empty()) text += "binary_name = " + toml_quote(binary) + "\n";
  text += "\n[runsc_config]\n";
  for (const auto& [flag, value] : merged) text += toml_quote(flag) + " = " + toml_quote(value) + "\n";
  return text;
}

std::string toml_quote(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (code < 0x20 || code == 0x7f) {
      out += "\\u00";
      out.push_back(kDigits[code >> 4]);
      out.push_back(kDigits[code & 0xf]);
    } else {
      out.push_back(c);
    }
  }
  return out + "\"";
}

}  // namespace sandboxd::containerd
