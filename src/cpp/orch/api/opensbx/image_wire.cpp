#include "orch/api/opensbx/image_wire.hpp"

#include <string_view>

namespace sandboxd::orch::opensbx {

std::string familiar_name(const std::string& name) {
  for (const std::string_view prefix : {"docker.io/library/", "docker.io/"}) {
    if (name.starts_with(prefix)) return name.substr(prefix.size());
  }
  return name;
}

codec::json::object image_summary(const model::Image& image) {
  codec::json::array tags;
  for (const std::string& name : image.names) tags.emplace_back(familiar_name(name));
  codec::json::object out;
  out["id"] = image.digest;
  out["tags"] = std::move(tags);
  out["size"] = image.size_bytes;
  return out;
}

codec::json::object image_detail(const model::Image& image) {
  codec::json::object out = image_summary(image);
  out["created"] = image.created;
  out["architecture"] = image.architecture;
  out["os"] = image.os;
  return out;
}

}  // namespace sandboxd::orch::opensbx
