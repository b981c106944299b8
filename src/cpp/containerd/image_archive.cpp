#include "containerd/image_archive.hpp"

#include "containerd/image_reference.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <utility>

namespace sandboxd::containerd {

namespace json = boost::json;

namespace {

#if defined(__aarch64__)
constexpr const char* kArchitecture = "arm64";
#else
constexpr const char* kArchitecture = "amd64";
#endif

Error unusable(const std::string& why) { return {ErrorCode::invalid_argument, "the archive is no image: " + why}; }

std::string text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

Result<std::vector<std::string>> texts_of(const json::object& object, std::string_view key) {
  std::vector<std::string> out;
  const json::value* value = object.if_contains(key);
  if (value == nullptr || value->is_null()) return out;
  if (!value->is_array()) return unusable("manifest.json: " + std::string(key) + " is not a list");
  for (const json::value& item : value->get_array()) {
    if (!item.is_string()) return unusable("manifest.json: " + std::string(key) + " has something else than texts");
    out.emplace_back(item.get_string());
  }
  return out;
}

json::array to_array(const std::vector<std::string>& texts) { return json::array(texts.begin(), texts.end()); }

// A name counts only when it is one of ours: "latest" alone, as an OCI layout may have it, says nothing.
void add_name(std::vector<std::string>& names, const std::string& text) {
  if (text.find('/') == std::string::npos && text.find(':') == std::string::npos) return;
  auto name = normalise_reference(text);
  if (name && std::find(names.begin(), names.end(), *name) == names.end()) names.push_back(*std::move(name));
}

Result<ArchivedImage> layout_image(const json::value& value) {
  if (!value.is_object()) return unusable("index.json has an entry that is no object");
  const json::object& entry = value.get_object();
  ArchivedImage image;
  image.target.media_type = text_of(entry, "mediaType");
  image.target.digest = text_of(entry, "digest");
  const std::string& digest = image.target.digest;
  const bool is_digest = digest.starts_with("sha256:") && !digest_of_path("blobs/sha256/" + digest.substr(7)).empty();
  if (!is_digest) return unusable("index.json has an entry without a sha256 digest");
  if (const json::value* size = entry.if_contains("size"); size != nullptr && size->is_int64())
    image.target.size = size->get_int64();
  if (const json::value* notes = entry.if_contains("annotations"); notes != nullptr && notes->is_object()) {
    add_name(image.names, text_of(notes->get_object(), "io.containerd.image.name"));
    add_name(image.names, text_of(notes->get_object(), "org.opencontainers.image.ref.name"));
  }
  return image;
}

}  // namespace

Result<std::vector<ArchivedImage>> parse_layout_index(std::string_view index_json) {
  boost::system::error_code failure;
  const json::value document = json::parse(index_json, failure);
  const json::value* list = !failure && document.is_object() ? document.get_object().if_contains("manifests") : nullptr;
  if (list == nullptr || !list->is_array()) return unusable("its index.json has no list \"manifests\"");
  std::vector<ArchivedImage> images;
  for (const json::value& value : list->get_array()) {
    SBX_TRY(image, layout_image(value));
    // One image under several names has an entry for each.
    const auto same = std::find_if(images.begin(), images.end(),
                                   [&image](const auto& known) { return known.target.digest == image.target.digest; });
    if (same == images.end()) {
      images.push_back(std::move(image));
    } else {
      same->names.insert(same->names.end(), image.names.begin(), image.names.end());
    }
  }
  return images;
}

Result<std::vector<ArchivedImage>> parse_docker_manifest(std::string_view manifest_json) {
  boost::system::error_code failure;
  const json::value document = json::parse(manifest_json, failure);
  if (failure || !document.is_array()) return unusable("its manifest.json is not a list");
  std::vector<ArchivedImage> images;
  for (const json::value& value : document.get_array()) {
    if (!value.is_object()) return unusable("manifest.json has an entry that is no object");
    ArchivedImage image;
    image.config = text_of(value.get_object(), "Config");
    if (image.config.empty()) return unusable("manifest.json has an entry without \"Config\"");
    SBX_TRY(layers, texts_of(value.get_object(), "Layers"));
    image.layers = std::move(layers);
    SBX_TRY(tags, texts_of(value.get_object(), "RepoTags"));
    for (const std::string& tag : tags) add_name(image.names, tag);
    images.push_back(std::move(image));
  }
  return images;
}

Result<ArchivedImage> choose_image(std::vector<ArchivedImage> images, const std::string& reference) {
  if (images.empty()) return unusable("it has none");
  if (images.size() == 1) return std::move(images.front());
  std::string names;
  for (ArchivedImage& image : images) {
    if (std::find(image.names.begin(), image.names.end(), reference) != image.names.end()) return std::move(image);
    for (const std::string& name : image.names) names += (names.empty() ? "" : ", ") + name;
  }
  return Error(ErrorCode::invalid_argument, "the archive has " + std::to_string(images.size()) +
                                                " images: say with `reference` which one is meant" +
                                                (names.empty() ? "" : " (" + names + ")"));
}

std::string digest_of_path(std::string_view path) {
  constexpr std::string_view kFolder = "blobs/sha256/";
  if (!path.starts_with(kFolder)) return {};
  path.remove_prefix(kFolder.size());
  const bool is_hex = path.size() == 64 && path.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  return is_hex ? "sha256:" + std::string(path) : std::string();
}

std::string make_manifest(const BlobReference& config, const std::vector<BlobReference>& layers) {
  const auto describe = [](const BlobReference& blob) {
    return json::object{{"mediaType", blob.media_type}, {"digest", blob.digest}, {"size", blob.size}};
  };
  json::array described;
  for (const BlobReference& layer : layers) described.push_back(describe(layer));
  return json::serialize(json::object{{"schemaVersion", 2},
                                      {"mediaType", kManifestType},
                                      {"config", describe(config)},
                                      {"layers", std::move(described)}});
}

std::string make_rootfs_config(const model::RootfsConfig& config, const std::string& diff_id,
                               const std::string& created) {
  json::object run;
  if (!config.entrypoint.empty()) run["Entrypoint"] = to_array(config.entrypoint);
  if (!config.command.empty()) run["Cmd"] = to_array(config.command);
  if (!config.env.empty()) run["Env"] = to_array(config.env);
  if (!config.work_dir.empty()) run["WorkingDir"] = config.work_dir;
  if (!config.user.empty()) run["User"] = config.user;
  return json::serialize(json::object{{"created", created},
                                      {"architecture", kArchitecture},
                                      {"os", "linux"},
                                      {"config", std::move(run)},
                                      {"rootfs", {{"type", "layers"}, {"diff_ids", json::array{diff_id}}}}});
}

}  // namespace sandboxd::containerd
