#include "cni/result.hpp"

#include <boost/json.hpp>

#include <algorithm>

namespace sandboxd::cni {
namespace {

namespace json = boost::json;

Error nonsense(const std::string& text) { return Error(ErrorCode::protocol_error, "CNI result: " + text); }

std::string text_or_empty(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

const json::array* list_or_null(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value == nullptr ? nullptr : value->if_array();
}

// 0.x names the family ("version": "4"), 1.0.0 leaves it to the address's form.
bool is_ipv4(const json::object& entry, const std::string& address) {
  const std::string version = text_or_empty(entry, "version");
  return version.empty() ? address.find(':') == std::string::npos : version == "4";
}

Result<void> read_address(const json::object& root, ports::InterfaceInfo& info) {
  const json::array* ips = list_or_null(root, "ips");
  if (ips == nullptr) return nonsense("no \"ips\"");
  for (const json::value& value : *ips) {
    const json::object* entry = value.if_object();
    if (entry == nullptr) return nonsense("an entry of \"ips\" is not an object");
    const std::string address = text_or_empty(*entry, "address");
    if (address.empty() || !is_ipv4(*entry, address)) continue;
    info.ip = address.substr(0, address.find('/'));
    info.gateway = text_or_empty(*entry, "gateway");
    return {};
  }
  return nonsense("no IPv4 address: sandboxes need one");
}

void read_interfaces(const json::object& root, const std::vector<std::string>& bridges, ports::InterfaceInfo& info) {
  const json::array* interfaces = list_or_null(root, "interfaces");
  if (interfaces == nullptr) return;
  for (const json::value& value : *interfaces) {
    const json::object* entry = value.if_object();
    if (entry == nullptr) continue;
    const std::string name = text_or_empty(*entry, "name");
    if (!text_or_empty(*entry, "sandbox").empty()) {
      info.mac = text_or_empty(*entry, "mac");
    } else if (std::find(bridges.begin(), bridges.end(), name) == bridges.end()) {
      info.host_interface = name;
    }
  }
}

// The JSON error object, if that is what `text` is.
std::string error_object_text(std::string_view text) {
  boost::system::error_code failure;
  const json::value parsed = json::parse(text, failure);
  if (failure || !parsed.is_object()) return {};
  std::string message = text_or_empty(parsed.get_object(), "msg");
  const std::string details = text_or_empty(parsed.get_object(), "details");
  if (!details.empty()) message += message.empty() ? details : "; " + details;
  return message;
}

std::string trimmed(std::string_view text) {
  constexpr std::size_t kMax = 1000;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  return std::string(text.substr(0, kMax));
}

}  // namespace

Result<ports::InterfaceInfo> parse_result(std::string_view text, const std::vector<std::string>& bridges) {
  boost::system::error_code failure;
  const json::value parsed = json::parse(text, failure);
  if (failure) return nonsense("not JSON: " + failure.message());
  if (!parsed.is_object()) return nonsense("not a JSON object");
  ports::InterfaceInfo info;
  SBX_CHECK(read_address(parsed.get_object(), info));
  read_interfaces(parsed.get_object(), bridges, info);
  return info;
}

Error plugin_error(std::string_view plugin, std::string_view verb, int exit_code, std::string_view stdout_text,
                   std::string_view stderr_text) {
  std::string message = error_object_text(stdout_text);
  if (message.empty()) message = trimmed(stderr_text.empty() ? stdout_text : stderr_text);
  if (message.empty()) message = "no message";
  // host-local has no error code of its own for this; its sentence has been the same since 0.5.
  const bool full = message.find("no IP addresses available") != std::string::npos;
  return Error(full ? ErrorCode::resource_exhausted : ErrorCode::network_failed,
               "CNI plugin " + std::string(plugin) + " " + std::string(verb) + " failed (exit code " +
                   std::to_string(exit_code) + "): " + message);
}

}  // namespace sandboxd::cni
