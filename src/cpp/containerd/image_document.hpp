// The JSON documents of an image: index, manifest, config. Pure; the bytes come from a registry and are not trusted.
#pragma once

#include "base/result.hpp"
#include "ports/sandbox_runtime.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::containerd {

struct BlobReference {
  std::string media_type;
  std::string digest;
  std::int64_t size = 0;
};

struct ImageManifest {
  BlobReference config;
  std::vector<BlobReference> layers;
};

struct ImageConfig {
  ports::ImageInfo info;  // without reference and digest
  std::vector<std::string> diff_ids;
  std::string created;
  std::string architecture;
  std::string os;
};

// True for the media types of an OCI index and a Docker manifest list.
[[nodiscard]] bool is_index(std::string_view media_type);
// The manifest for linux on this machine's processor. Errors: image_failed.
[[nodiscard]] Result<BlobReference> choose_manifest(std::string_view index_json);
[[nodiscard]] Result<ImageManifest> parse_manifest(std::string_view manifest_json);
[[nodiscard]] Result<ImageConfig> parse_image_config(std::string_view config_json);
// Whether this machine can run it. A config that does not say is given a try. Errors: image_failed.
[[nodiscard]] Result<void> check_platform(const ImageConfig& config);

// The names containerd gives to the snapshots of these layers, lowest first; the last one is the image's. OCI image
// specification, "Layer ChainID".
[[nodiscard]] std::vector<std::string> chain_ids(const std::vector<std::string>& diff_ids);

}  // namespace sandboxd::containerd
