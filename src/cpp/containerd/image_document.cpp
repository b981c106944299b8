#include "containerd/image_document.hpp"

#include "base/sha256.hpp"

#include <boost/json.hpp>

namespace sandboxd::containerd {

namespace json = boost::json;

namespace {

#if defined(__aarch64__)
constexpr std::string_view kArchitecture = "arm64";
#else
constexpr std::string_view kArchitecture = "amd64";
#endif

Result<json::object> parse_object(std::string_view text, std::string_view what) {
  boost::system::error_code ec;
  json::value value = json::parse(text, ec);
  if (ec || !value.is_object()) return Error(ErrorCode::image_failed, std::string(what) + " is not a JSON object");
  return std::move(value.get_object());
}

std::string text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

// Absent, null or of another type: empty. Image tools write all three.
std::vector<std::string> texts_of(const json::object& object, std::string_view key) {
  std::vector<std::string> out;
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_array()) return out;
  for (const json::value& item : value->get_array()) {
    if (item.is_string()) out.emplace_back(item.get_string());
  }
  return out;
}

Result<BlobReference> reference_of(const json::value& value, std::string_view what) {
  if (!value.is_object()) return Error(ErrorCode::image_failed, std::string(what) + " is not an object");
  const json::object& object = value.get_object();
  BlobReference blob;
  blob.media_type = text_of(object, "mediaType");
  blob.digest = text_of(object, "digest");
  if (const json::value* size = object.if_contains("size"); size != nullptr && size->is_int64()) {
    blob.size = size->get_int64();
  }
  if (!blob.digest.starts_with("sha256:")) return Error(ErrorCode::image_failed, std::string(what) + " has no digest");
  return blob;
}

}  // namespace

bool is_index(std::string_view media_type) {
  return media_type == "application/vnd.oci.image.index.v1+json" ||
         media_type == "application/vnd.docker.distribution.manifest.list.v2+json";
}

Result<BlobReference> choose_manifest(std::string_view index_json) {
  SBX_TRY(index, parse_object(index_json, "the image's index"));
  const json::value* manifests = index.if_contains("manifests");
  if (manifests == nullptr || !manifests->is_array()) {
    return Error(ErrorCode::image_failed, "the image's index lists no manifests");
  }
  for (const json::value& entry : manifests->get_array()) {
    if (!entry.is_object()) continue;
    const json::value* platform = entry.get_object().if_contains("platform");
    // An index of one manifest often names no platform (`ctr import` of a local build).
    const bool fits = platform == nullptr || !platform->is_object() ||
                      (text_of(platform->get_object(), "os") == "linux" &&
                       text_of(platform->get_object(), "architecture") == kArchitecture);
    if (fits) return reference_of(entry, "a manifest in the image's index");
  }
  return Error(ErrorCode::image_failed, "the image has no variant for linux/" + std::string(kArchitecture));
}

Result<ImageManifest> parse_manifest(std::string_view manifest_json) {
  SBX_TRY(object, parse_object(manifest_json, "the image's manifest"));
  const json::value* config = object.if_contains("config");
  const json::value* layers = object.if_contains("layers");
  if (config == nullptr || layers == nullptr || !layers->is_array()) {
    return Error(ErrorCode::image_failed, "the image's manifest lacks config or layers");
  }
  ImageManifest manifest;
  SBX_TRY(config_blob, reference_of(*config, "the image's config"));
  manifest.config = std::move(config_blob);
  for (const json::value& layer : layers->get_array()) {
    SBX_TRY(blob, reference_of(layer, "a layer of the image"));
    manifest.layers.push_back(std::move(blob));
  }
  return manifest;
}

Result<ImageConfig> parse_image_config(std::string_view config_json) {
  SBX_TRY(object, parse_object(config_json, "the image's config"));
  ImageConfig out;
  out.created = text_of(object, "created");
  out.architecture = text_of(object, "architecture");
  out.os = text_of(object, "os");
  if (const json::value* config = object.if_contains("config"); config != nullptr && config->is_object()) {
    const json::object& run = config->get_object();
    out.info.entrypoint = texts_of(run, "Entrypoint");
    out.info.command = texts_of(run, "Cmd");
    out.info.env = texts_of(run, "Env");
    out.info.work_dir = text_of(run, "WorkingDir");
    out.info.user = text_of(run, "User");
    out.info.stop_signal = text_of(run, "StopSignal");
    if (const json::value* volumes = run.if_contains("Volumes"); volumes != nullptr && volumes->is_object()) {
      for (const auto& volume : volumes->get_object()) out.info.volumes.emplace_back(volume.key());
    }
  }
  if (const json::value* rootfs = object.if_contains("rootfs"); rootfs != nullptr && rootfs->is_object()) {
    out.diff_ids = texts_of(rootfs->get_object(), "diff_ids");
  }
  for (const std::string& id : out.diff_ids) {
    if (!id.starts_with("sha256:")) return Error(ErrorCode::image_failed, "the image's config has a malformed diff id");
  }
  return out;
}

Result<void> check_platform(const ImageConfig& config) {
  const bool fits = (config.os.empty() || config.os == "linux") &&
                    (config.architecture.empty() || config.architecture == kArchitecture);
  if (fits) return {};
  return Error(ErrorCode::image_failed, "the image is for " + config.os + "/" + config.architecture +
                                            ", and this machine is linux/" + std::string(kArchitecture));
}

std::vector<std::string> chain_ids(const std::vector<std::string>& diff_ids) {
  std::vector<std::string> chain;
  for (const std::string& id : diff_ids) {
    chain.push_back(chain.empty() ? id : "sha256:" + sha256_hex(chain.back() + " " + id));
  }
  return chain;
}

}  // namespace sandboxd::containerd
