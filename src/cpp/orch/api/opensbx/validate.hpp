// The original's checks on request bodies, in its order and with its words. Pure.
#pragma once

#include "base/result.hpp"
#include "model/spec.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::orch::opensbx {

struct CreateBody {
  std::string image;
  std::vector<std::string> ports;
  std::int64_t timeout = 0;
  std::int64_t memory_mb = 0;  // 0: the default
  double cpus = 0;             // 0: the default
  std::vector<std::string> env;
};

struct ExecBody {
  std::string command;
  std::optional<std::vector<std::string>> args;
  std::string cwd;
  std::map<std::string, std::string> env;
};

[[nodiscard]] Result<void> validate_create(const CreateBody& body);

// "<number>/<protocol>": empty entries dropped, "/tcp" where no protocol is named, in small letters.
[[nodiscard]] std::vector<std::string> normal_ports(const std::vector<std::string>& ports);
// What of them can be published, each once; ranges, words and what is neither TCP nor UDP are left out silently, as the
// original does.
[[nodiscard]] std::vector<model::PortSpec> published_ports(const std::vector<std::string>& normal);
[[nodiscard]] std::string port_text(int container_port, model::Protocol protocol);

}  // namespace sandboxd::orch::opensbx
