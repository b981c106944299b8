#include "containerd/image_keeper.hpp"

#include "base/log.hpp"
#include "containerd/methods.hpp"
#include "containerd/rpc.hpp"

#include <algorithm>
#include <utility>

namespace sandboxd::containerd {

namespace {

const Log log("containerd");

constexpr const char* kLabelPulledBy = "sandboxd.pulled-by";
constexpr const char* kLabelImportedBy = "sandboxd.imported-by";
constexpr const char* kLabelUsed = "sandboxd.used";
constexpr Duration kNoteAge = std::chrono::minutes(10);
// Deleting waits for the collector, which deletes files.
constexpr Duration kDeleteTimeout = std::chrono::minutes(2);

std::string label(const wire::Image& record, const char* name) {
  const auto at = record.labels().find(name);
  return at == record.labels().end() ? std::string() : at->second;
}

// "host/path:tag", and neither a digest nor a name with one: what a user means by a name.
bool is_tag(const std::string& name) { return !name.starts_with("sha256:") && name.find('@') == std::string::npos; }

std::vector<std::string> names_of(const std::vector<wire::Image>& records) {
  std::vector<std::string> names;
  for (const wire::Image& record : records) names.push_back(record.name());
  return names;
}

}  // namespace

Task<Result<wire::Image>> ImageKeeper::find(std::string name) {
  for (;;) {
    const std::uint64_t before = removals_;
    wire::GetImageRequest request;
    request.set_name(name);
    SBX_CO_TRY(reply, co_await call<wire::GetImageReply>(context_.channel, method::kImagesGet,
                                                         request.SerializeAsString(), context_.options.call_timeout));
    const std::string& digest = reply.image().target().digest();
    if (leaving_.contains(digest)) {
      while (leaving_.contains(digest)) co_await changed_.wait();
      continue;
    }
    if (removals_ == before) co_return std::move(*reply.mutable_image());
  }
}

std::shared_ptr<const void> ImageKeeper::hold(const std::string& digest) {
  auto& slot = holds_[digest];
  auto held = slot.lock();
  if (!held) {
    held = std::make_shared<char>();
    slot = held;
  }
  return held;
}

bool ImageKeeper::is_held(const std::string& digest) const {
  const auto at = holds_.find(digest);
  return at != holds_.end() && !at->second.expired();
}

void ImageKeeper::used(const wire::Image& record, bool pulled_now) {
  const std::string& digest = record.target().digest();
  const WallTime now = context_.clock.wall_now();
  used_[digest] = now;
  auto& noted = noted_[digest];
  if (const auto said = parse_rfc3339(label(record, kLabelUsed)); said && *said > noted) noted = *said;
  if (!pulled_now && now < noted + kNoteAge) return;
  noted = now;
  context_.group.spawn("containerd.note", note(record, pulled_now));
}

Task<void> ImageKeeper::note(wire::Image record, bool pulled_now) {
  wire::UpdateImageRequest update;
  update.mutable_image()->set_name(record.name());
  auto& labels = *update.mutable_image()->mutable_labels();
  labels[kLabelUsed] = format_rfc3339(context_.clock.wall_now());
  update.mutable_update_mask()->add_paths(std::string("labels.") + kLabelUsed);
  if (pulled_now) {
    labels[kLabelPulledBy] = context_.options.instance;
    update.mutable_update_mask()->add_paths(std::string("labels.") + kLabelPulledBy);
  }
  const auto done =
      co_await context_.channel.unary(method::kImagesUpdate, update.SerializeAsString(), context_.options.call_timeout);
  if (!done) log.warn("use of an image not noted", {{"image", record.name()}, {"error", done.error().message()}});
}

Task<Result<std::map<std::string, std::vector<wire::Image>>>> ImageKeeper::records() {
  SBX_CO_TRY(reply, co_await call<wire::ListImagesReply>(context_.channel, method::kImagesList, std::string(),
                                                         context_.options.call_timeout));
  std::map<std::string, std::vector<wire::Image>> out;
  for (const wire::Image& image : reply.images()) out[image.target().digest()].push_back(image);
  co_return out;
}

Task<Result<std::set<std::string>>> ImageKeeper::names_of_containers() {
  // Of everybody's containers: others in this daemon may use an image that we pulled.
  SBX_CO_TRY(reply, co_await call<wire::ListContainersReply>(context_.channel, method::kContainersList, std::string(),
                                                             context_.options.call_timeout));
  std::set<std::string> out;
  for (const wire::Container& container : reply.containers()) out.insert(container.image());
  co_return out;
}

bool ImageKeeper::is_pulled(const std::vector<wire::Image>& records) const {
  return std::any_of(records.begin(), records.end(), [this](const wire::Image& record) {
    if (label(record, kLabelPulledBy) == context_.options.instance) return true;
    // The label may be missing after a crash. In our own daemon nobody but us pulls, and an import has no such name.
    return context_.options.owns_daemon && record.name().find('@') != std::string::npos;
  });
}

bool ImageKeeper::is_ours(const std::vector<wire::Image>& records) const {
  if (context_.options.owns_daemon || is_pulled(records)) return true;
  return std::any_of(records.begin(), records.end(), [this](const wire::Image& record) {
    return label(record, kLabelImportedBy) == context_.options.instance;
  });
}

WallTime ImageKeeper::last_used(const std::string& digest, const std::vector<wire::Image>& records) const {
  WallTime latest;
  if (const auto at = used_.find(digest); at != used_.end()) latest = at->second;
  for (const wire::Image& record : records) {
    latest = std::max(latest, WallTime{record.created_at().seconds() * 1'000'000'000});
    if (const auto said = parse_rfc3339(label(record, kLabelUsed))) latest = std::max(latest, *said);
  }
  return latest;
}

Task<Result<void>> ImageKeeper::add(std::string name, wire::Descriptor target) {
  while (leaving_.contains(target.digest())) co_await changed_.wait();
  wire::Image image;
  image.set_name(name);
  *image.mutable_target() = target;
  auto& labels = *image.mutable_labels();
  labels[kLabelImportedBy] = context_.options.instance;
  labels[kLabelUsed] = format_rfc3339(context_.clock.wall_now());
  wire::CreateImageRequest create;
  *create.mutable_image() = image;
  auto done =
      co_await context_.channel.unary(method::kImagesCreate, create.SerializeAsString(), context_.options.call_timeout);
  if (!done && done.error().code() == ErrorCode::already_exists) {
    wire::UpdateImageRequest update;
    *update.mutable_image() = image;
    done = co_await context_.channel.unary(method::kImagesUpdate, update.SerializeAsString(),
                                           context_.options.call_timeout);
  }
  if (!done) co_return done.error().with_context("store image \"" + name + "\"");
  used_[target.digest()] = context_.clock.wall_now();
  log.info("image imported", {{"image", name}, {"digest", target.digest()}});
  co_return Result<void>();
}

Task<Result<std::vector<ports::StoredImage>>> ImageKeeper::list() {
  SBX_CO_TRY(images, co_await records());
  SBX_CO_TRY(in_use, co_await names_of_containers());
  std::vector<ports::StoredImage> out;
  for (const auto& [digest, records] : images) {
    if (leaving_.contains(digest)) continue;
    ports::StoredImage image;
    image.digest = digest;
    image.names = names_of(records);
    std::sort(image.names.begin(), image.names.end());
    image.is_pulled = is_pulled(records);
    const bool runs = std::any_of(records.begin(), records.end(),
                                  [&in_use](const wire::Image& record) { return in_use.contains(record.name()); });
    image.is_used = runs || is_held(digest);
    // Its age begins with the end of the last container, not with that one's creation.
    if (runs) used(records.front(), false);
    image.last_used = last_used(digest, records);
    out.push_back(std::move(image));
  }
  co_return out;
}

Task<Result<void>> ImageKeeper::remove(std::string name) {
  SBX_CO_TRY(images, co_await records());
  std::string digest = name;
  if (!name.starts_with("sha256:") || !images.contains(name)) {
    const auto at = std::find_if(images.begin(), images.end(), [&name](const auto& image) {
      const auto names = names_of(image.second);
      return std::find(names.begin(), names.end(), name) != names.end();
    });
    if (at == images.end()) co_return Error(ErrorCode::not_found, "no image \"" + name + "\" on this node");
    digest = at->first;
  }
  const std::vector<wire::Image>& mine = images[digest];
  if (!is_ours(mine)) {
    co_return Error(ErrorCode::conflict, "image \"" + name + "\" is not of this node: somebody else brought it");
  }
  std::vector<std::string> names = names_of(mine);
  const auto tags = std::count_if(names.begin(), names.end(), is_tag);
  const bool is_one_of_several = is_tag(name) && tags > 1;
  SBX_CO_TRY(in_use, co_await names_of_containers());
  const bool runs = is_one_of_several ? in_use.contains(name)
                                      : std::any_of(names.begin(), names.end(),
                                                    [&in_use](const auto& n) { return in_use.contains(n); });
  // No await from here to the mark in remove_names(): a creation either holds the image by now or waits for its end.
  if (runs || is_held(digest)) co_return Error(ErrorCode::conflict, "image \"" + name + "\" is in use");
  if (leaving_.contains(digest)) co_return Error(ErrorCode::conflict, "image \"" + name + "\" is being removed");
  if (is_one_of_several) names = {name};
  co_return co_await remove_names(std::move(digest), std::move(names));
}

Task<Result<void>> ImageKeeper::remove_names(std::string digest, std::vector<std::string> names) {
  struct Leaving {
    ~Leaving() {
      keeper.leaving_.erase(digest);
      ++keeper.removals_;
      keeper.changed_.notify();
    }
    ImageKeeper& keeper;
    const std::string& digest;
  };
  leaving_.insert(digest);
  ++removals_;
  const Leaving until_the_end{*this, digest};
  SBX_CO_CHECK(co_await remove_records(names));
  used_.erase(digest);
  noted_.erase(digest);
  holds_.erase(digest);
  log.info("image removed", {{"image", names.front()}, {"digest", digest}});
  co_return Result<void>();
}

Task<Result<void>> ImageKeeper::remove_records(std::vector<std::string> names) {
  for (const std::string& name : names) {
    wire::DeleteImageRequest request;
    request.set_name(name);
    // Only the last one leaves something to collect.
    request.set_sync(&name == &names.back());
    const auto done =
        co_await context_.channel.unary(method::kImagesDelete, request.SerializeAsString(), kDeleteTimeout);
    if (!done && done.error().code() != ErrorCode::not_found) {
      co_return done.error().with_context("remove image \"" + name + "\"");
    }
  }
  co_return Result<void>();
}

}  // namespace sandboxd::containerd
