#include "codec/life_mark.hpp"

namespace sandboxd::codec {
namespace {

constexpr std::string_view kPrefix = "sandboxd-uid-";

}  // namespace

void mark_life(model::NodeCreateRequest& request) {
  model::Volume mark;
  mark.name = std::string(kPrefix) + request.uid;
  mark.ephemeral_storage_bytes = {1, "1"};
  request.spec.volumes.push_back(std::move(mark));
}

std::string life_of(std::string_view volume_name) {
  if (!volume_name.starts_with(kPrefix)) return {};
  return std::string(volume_name.substr(kPrefix.size()));
}

}  // namespace sandboxd::codec
