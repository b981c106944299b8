#include "node/images.hpp"

#include "aio/shield.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace sandboxd::node {
namespace {

constexpr std::size_t kUsersNamed = 5;

bool is_name(const std::string& text) { return !text.starts_with("sha256:") && text.find('@') == std::string::npos; }

}  // namespace

model::Image image_of(const ports::StoredImage& stored) {
  model::Image image;
  image.digest = stored.digest;
  std::copy_if(stored.names.begin(), stored.names.end(), std::back_inserter(image.names), is_name);
  image.size_bytes = stored.size_bytes;
  image.created = stored.created;
  image.architecture = stored.architecture;
  image.os = stored.os;
  image.last_used = stored.last_used;
  image.is_used = stored.is_used;
  return image;
}

Result<ports::ImageLibrary*> Images::library() const {
  if (core_.ports.images == nullptr)
    return Error(ErrorCode::unsupported, "this node's runtime has no images that could be asked for");
  return core_.ports.images;
}

Task<Result<std::vector<model::Image>>> Images::list() {
  SBX_CO_TRY(stored, co_await core_.ports.runtime.list_images());
  std::vector<model::Image> out;
  for (const ports::StoredImage& image : stored) out.push_back(image_of(image));
  co_return out;
}

Task<Result<model::Image>> Images::find(std::string reference) {
  SBX_CO_TRY(images, library());
  SBX_CO_TRY(stored, co_await images->find(std::move(reference)));
  co_return image_of(stored);
}

Result<void> Images::check_reference(const std::string& reference) const {
  SBX_TRY(images, library());
  const auto name = images->normalise(reference);
  return name ? Result<void>() : Result<void>(name.error());
}

Task<Result<model::Image>> Images::pull(std::string reference, std::optional<model::RegistryCredentials> credentials) {
  SBX_CO_TRY(images, library());
  SBX_CO_TRY(stored, co_await images->pull(reference, std::move(credentials)));
  core_.images.used(reference, stored.digest);
  core_.announce_report();
  co_return image_of(stored);
}

std::optional<model::PullProgress> Images::pull_progress(const std::string& reference) const {
  return core_.ports.runtime.pull_progress(reference);
}

std::string Images::users_of(const std::string& digest) const {
  std::set<std::string> users;
  for (const auto& [id, entry] : core_.table.entries()) {
    const auto& containers = entry->record.containers;
    const bool runs = std::any_of(containers.begin(), containers.end(),
                                  [&digest](const auto& container) { return container.image_digest == digest; });
    const bool starts = std::any_of(entry->images.begin(), entry->images.end(),
                                    [&digest](const auto& image) { return image.second.digest == digest; });
    if (runs || starts) users.insert(id.str());
  }
  std::string text;
  std::size_t named = 0;
  for (const std::string& user : users) {
    if (named++ == kUsersNamed) break;
    text += (text.empty() ? "" : ", ") + user;
  }
  if (users.size() > kUsersNamed) text += " and " + std::to_string(users.size() - kUsersNamed) + " more";
  return text;
}

Task<Result<void>> Images::remove(std::string reference, bool force) {
  SBX_CO_TRY(images, library());
  SBX_CO_TRY(stored, co_await images->find(reference));
  const model::Image image = image_of(stored);
  const bool by_digest = stored.digest.starts_with(reference) || stored.digest.starts_with("sha256:" + reference);
  if (by_digest && !force && image.names.size() > 1) {
    co_return Error(ErrorCode::conflict, "image \"" + reference + "\" has " + std::to_string(image.names.size()) +
                                             " names: remove them one by one, or all with force");
  }
  const bool is_whole = force || by_digest || image.names.size() <= 1;
  const std::string what = is_whole ? stored.digest : reference;
  // Shielded: a removal that has begun is not left half done by a caller who goes away.
  auto removed = co_await aio::shield(core_.ports.runtime.remove_image(what));
  if (!removed && removed.error().code() == ErrorCode::conflict) {
    const std::string users = users_of(stored.digest);
    if (!users.empty())
      co_return Error(ErrorCode::conflict, "image \"" + reference + "\" is used by sandbox " + users +
                                               ": delete that first (force does not take an image from its sandboxes)");
  }
  if (!removed) co_return removed.error();
  if (is_whole) core_.images.removed(stored.digest);
  if (!is_whole) core_.images.missing(reference);
  core_.announce_report();
  co_return Result<void>();
}

Result<std::unique_ptr<ports::ImageImport>> Images::begin_import(ports::ImageImportRequest request) {
  SBX_TRY(images, library());
  return images->begin_import(std::move(request));
}

void Images::imported(const std::string& reference, const ports::StoredImage& image) {
  const std::string& name = reference.empty() && !image.names.empty() ? image.names.front() : reference;
  core_.images.used(name, image.digest);
  core_.announce_report();
}

}  // namespace sandboxd::node
