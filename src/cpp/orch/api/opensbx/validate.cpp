#include "orch/api/opensbx/validate.hpp"

#include "orch/api/opensbx/go_errors.hpp"

#include <algorithm>
#include <charconv>
#include <set>

namespace sandboxd::orch::opensbx {
namespace {

constexpr std::int64_t kMemoryMbMax = 8192;
constexpr double kCpusMax = 4;

Error invalid(std::string text) { return {ErrorCode::invalid_argument, std::move(text)}; }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

}  // namespace

Result<void> validate_create(const CreateBody& body) {
  if (body.image.empty()) return required("CreateSandboxRequest", "Image");
  if (body.timeout < 0) return invalid("timeout must be >= 0");
  if (body.memory_mb < 0) return invalid("resources.memory must be >= 0");
  if (body.memory_mb > kMemoryMbMax) return invalid("resources.memory must be <= 8192 (8GB)");
  if (body.cpus < 0) return invalid("resources.cpus must be >= 0");
  if (body.cpus > kCpusMax) return invalid("resources.cpus must be <= 4.0");
  return {};
}

std::vector<std::string> normal_ports(const std::vector<std::string>& ports) {
  std::vector<std::string> out;
  for (std::string port : ports) {
    if (port.empty()) continue;
    if (port.find('/') == std::string::npos) port += "/tcp";
    std::ranges::transform(port, port.begin(), lower);
    if (port.ends_with('/')) port += "tcp";
    out.push_back(std::move(port));
  }
  return out;
}

std::vector<model::PortSpec> published_ports(const std::vector<std::string>& normal) {
  std::vector<model::PortSpec> out;
  std::set<std::string> seen;
  for (const std::string& text : normal) {
    const std::size_t slash = text.find('/');
    const auto protocol = model::parse_protocol(text.substr(slash + 1));
    model::PortSpec port;
    const char* end = text.data() + slash;
    const auto parsed = std::from_chars(text.data(), end, port.container_port);
    const bool is_number = parsed.ec == std::errc{} && parsed.ptr == end;
    if (!is_number || !protocol || port.container_port < 1 || port.container_port > 65535) continue;
    port.protocol_text = model::to_string(*protocol);
    if (seen.insert(port_text(port.container_port, *protocol)).second) out.push_back(std::move(port));
  }
  return out;
}

std::string port_text(int container_port, model::Protocol protocol) {
  return std::to_string(container_port) + "/" + std::string(model::to_string(protocol));
}

}  // namespace sandboxd::orch::opensbx
