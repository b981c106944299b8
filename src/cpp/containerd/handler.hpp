// What "runsc" and "runc" mean to containerd. Pure.
//
// The gVisor shim takes runsc's flags from a TOML file that the container's runtime options name; it reads nothing else
// of those options. The file sets no `root`: the shim's clean-up command, which containerd runs after a shim died, does
// not read the file and looks in the default root only.
#pragma once

#include "base/result.hpp"

#include <map>
#include <string>
#include <string_view>

namespace sandboxd::containerd {

inline constexpr const char* kRuncRuntime = "io.containerd.runc.v2";
inline constexpr const char* kRunscRuntime = "io.containerd.runsc.v1";

struct Handler {
  bool is_runsc = false;
  std::string runtime;        // "io.containerd.runsc.v1"
  std::string options_type;   // of the runtime options' Any; empty: no options
  std::string options_bytes;  // serialised
};

// Errors: unsupported, naming the known handlers.
[[nodiscard]] Result<Handler> find_handler(std::string_view name, const std::string& runsc_config_path);

// runsc.toml. Defaults (platform systrap) are overridden by `flags`; an empty `binary` means the one in PATH.
[[nodiscard]] std::string make_runsc_config(const std::string& binary, const std::map<std::string, std::string>& flags);

// Text in TOML's double quotes.
[[nodiscard]] std::string toml_quote(std::string_view text);

}  // namespace sandboxd::containerd
