// What an image archive says about itself, and the documents that imports need besides. Pure; the texts come from
// anybody. Errors: invalid_argument, saying what is wrong with the archive.
#pragma once

#include "base/result.hpp"
#include "containerd/image_document.hpp"
#include "model/image.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::containerd {

// One image of an archive. Either `target` is set (an OCI layout) or `config` and `layers` (an old `docker save`).
struct ArchivedImage {
  std::vector<std::string> names;  // full ones, as the archive has them
  BlobReference target;
  std::string config;               // path in the archive
  std::vector<std::string> layers;  // paths, lowest first
};

// Of the file index.json.
[[nodiscard]] Result<std::vector<ArchivedImage>> parse_layout_index(std::string_view index_json);
// Of the file manifest.json.
[[nodiscard]] Result<std::vector<ArchivedImage>> parse_docker_manifest(std::string_view manifest_json);
// The only image, or the one that has the normalised name `reference`.
[[nodiscard]] Result<ArchivedImage> choose_image(std::vector<ArchivedImage> images, const std::string& reference);

// "sha256:<hex>" of a path "blobs/sha256/<64 hex digits>", else empty.
[[nodiscard]] std::string digest_of_path(std::string_view path);

// A manifest over these blobs.
[[nodiscard]] std::string make_manifest(const BlobReference& config, const std::vector<BlobReference>& layers);
// The config of an image with one layer. `created`: RFC 3339.
[[nodiscard]] std::string make_rootfs_config(const model::RootfsConfig& config, const std::string& diff_id,
                                             const std::string& created);

inline constexpr const char* kManifestType = "application/vnd.oci.image.manifest.v1+json";
inline constexpr const char* kConfigType = "application/vnd.oci.image.config.v1+json";
inline constexpr const char* kLayerType = "application/vnd.oci.image.layer.v1.tar";
inline constexpr const char* kGzipLayerType = "application/vnd.oci.image.layer.v1.tar+gzip";

}  // namespace sandboxd::containerd
