#include "sim/memory_images.hpp"

#include "base/sha256.hpp"

#include <algorithm>
#include <cctype>

namespace sandboxd::sim {

namespace {

// An image of its own for each name, but for those that say which one they mean.
std::string digest_of(const std::string& name) {
  const auto at = name.find('@');
  return at == std::string::npos ? "sha256:" + sha256_hex(name) : name.substr(at + 1);
}

}  // namespace

Result<std::string> normalise_image(const std::string& reference) {
  const bool malformed =
      reference.empty() || reference.find_first_of(" \t\n") != std::string::npos ||
      std::any_of(reference.begin(),
                  reference.begin() + static_cast<std::ptrdiff_t>(std::min(reference.find(':'), reference.size())),
                  [](unsigned char c) { return std::isupper(c) != 0; });
  if (malformed) return Error(ErrorCode::invalid_argument, "invalid image reference \"" + reference + "\"");
  std::string name = reference;
  const auto slash = name.find('/');
  const std::string host = name.substr(0, slash);
  if (slash == std::string::npos) {
    name = "docker.io/library/" + name;
  } else if (host.find_first_of(".:") == std::string::npos && host != "localhost") {
    name = "docker.io/" + name;
  }
  const auto digest = name.find('@');
  const auto colon = name.find(':', name.rfind('/', digest));
  // With a digest the tag says nothing.
  if (digest != std::string::npos) return colon < digest ? name.erase(colon, digest - colon) : name;
  if (colon == std::string::npos) name += ":latest";
  return name;
}

ports::ImageInfo MemoryImages::use(const std::string& name, WallTime now) {
  Facts& facts = facts_[name];
  facts.last_used = now;
  ports::ImageInfo info;
  info.hold = facts.hold.lock();
  if (!info.hold) facts.hold = info.hold = std::make_shared<char>();
  info.reference = name;
  info.digest = digest_of(name);
  info.command = {"sh", "-c", "echo from the image"};
  info.env = {"PATH=/bin", "IMAGE_SAYS=hello"};
  info.work_dir = "/work";
  return info;
}

void MemoryImages::pulled(const std::string& name) {
  local.insert(name);
  facts_[name].is_pulled = true;
}

std::vector<ports::StoredImage> MemoryImages::list(const std::set<std::string>& in_use, WallTime now) {
  std::vector<ports::StoredImage> out;
  for (const std::string& name : local) {
    Facts& facts = facts_[name];
    const bool runs = in_use.contains(name);
    if (runs) facts.last_used = now;
    ports::StoredImage image;
    image.digest = digest_of(name);
    image.names = {name};
    image.size_bytes = 1;
    image.last_used = facts.last_used;
    image.is_pulled = facts.is_pulled;
    image.is_used = runs || !facts.hold.expired();
    out.push_back(std::move(image));
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.digest < b.digest; });
  return out;
}

Result<void> MemoryImages::remove(const std::string& reference, const std::set<std::string>& in_use) {
  std::string name = reference;
  if (reference.starts_with("sha256:")) {
    const auto at = std::find_if(local.begin(), local.end(), [&](const auto& n) { return digest_of(n) == reference; });
    if (at != local.end()) name = *at;
  } else {
    SBX_TRY(normalised, normalise_image(reference));
    name = normalised;
  }
  if (!local.contains(name)) return Error(ErrorCode::not_found, "no image \"" + reference + "\" on this node");
  const auto facts = facts_.find(name);
  const bool is_held = facts != facts_.end() && !facts->second.hold.expired();
  if (is_held || in_use.contains(name)) return Error(ErrorCode::conflict, "image \"" + reference + "\" is in use");
  local.erase(name);
  facts_.erase(name);
  if (on_removed) on_removed(name);
  return {};
}

}  // namespace sandboxd::sim
