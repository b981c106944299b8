#include "containerd/snapshot_mounts.hpp"

#include <string_view>

namespace sandboxd::containerd {

namespace {

constexpr std::string_view kLower = "lowerdir=";
constexpr std::string_view kUpper = "upperdir=";
constexpr std::string_view kWork = "workdir=";

void put_overlay_over(wire::Mount& mount, const std::string& upper, const std::string& work) {
  const std::string lower = mount.source();
  mount.Clear();
  mount.set_type("overlay");
  mount.set_source("overlay");
  for (const std::string& option :
       {std::string("index=off"), std::string(kWork) + work, std::string(kUpper) + upper, std::string(kLower) + lower})
    mount.add_options(option);
}

}  // namespace

std::vector<std::string> layers_of(const wire::PrepareSnapshotReply& snapshot) {
  std::vector<std::string> layers;
  for (const wire::Mount& mount : snapshot.mounts()) {
    if (mount.type() == "bind") layers.push_back(mount.source());
    for (const std::string& option : mount.options()) {
      if (option.starts_with(kUpper)) layers.insert(layers.begin(), option.substr(kUpper.size()));
      if (!option.starts_with(kLower)) continue;
      std::string_view rest = std::string_view(option).substr(kLower.size());
      while (!rest.empty()) {
        const auto colon = rest.find(':');
        layers.emplace_back(rest.substr(0, colon));
        rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
      }
    }
  }
  return layers;
}

void redirect_writes(wire::PrepareSnapshotReply& snapshot, const std::string& upper, const std::string& work) {
  for (wire::Mount& mount : *snapshot.mutable_mounts()) {
    if (mount.type() == "bind") put_overlay_over(mount, upper, work);
    for (std::string& option : *mount.mutable_options()) {
      if (option.starts_with(kUpper)) option = std::string(kUpper) + upper;
      if (option.starts_with(kWork)) option = std::string(kWork) + work;
    }
  }
}

}  // namespace sandboxd::containerd
