#include "containerd/image_store.hpp"

#include "containerd/content.hpp"
#include "containerd/image_reference.hpp"
#include "containerd/methods.hpp"
#include "containerd/rpc.hpp"
#include "containerd/runtime_text.hpp"
#include "containerd/wire.pb.h"

#include <algorithm>
#include <utility>

namespace sandboxd::containerd {

namespace {

constexpr std::size_t kContentsMax = 256;
constexpr Duration kUnpackTimeout = std::chrono::minutes(5);

BlobReference target_of(const wire::Image& record) {
  BlobReference target;
  target.media_type = record.target().media_type();
  target.digest = record.target().digest();
  target.size = record.target().size();
  return target;
}

}  // namespace

Task<Result<ports::ImageInfo>> ImageStore::ensure(std::string reference) {
  SBX_CO_TRY(name, normalise_reference(reference));
  SBX_CO_TRY(record, co_await find_or_pull(reference, name));
  const BlobReference target = target_of(record);
  // Before anything is awaited: from now on nobody removes it.
  const std::shared_ptr<const void> hold = keeper_.hold(target.digest);
  auto content = co_await load(target);
  if (!content) co_return content.error().with_context("image \"" + name + "\"");
  const auto unpacked = co_await unpack(*content);
  if (!unpacked) co_return unpacked.error().with_context("image \"" + name + "\"");
  ports::ImageInfo info = (*content)->config.info;
  info.reference = name;
  info.digest = target.digest;
  info.hold = hold;
  co_return info;
}

Task<Result<wire::Image>> ImageStore::find_or_pull(std::string reference, std::string name) {
  auto record = co_await keeper_.find(name);
  // An image imported under an unusual name is found by exactly that name.
  if (!record && record.error().code() == ErrorCode::not_found && reference != name) {
    record = co_await keeper_.find(reference);
  }
  const bool must_pull = !record && record.error().code() == ErrorCode::not_found;
  if (must_pull) {
    SBX_CO_CHECK(co_await puller_.pull(name));
    record = co_await keeper_.find(name);
  }
  if (!record) {
    const ErrorCode code =
        record.error().code() == ErrorCode::unavailable ? ErrorCode::unavailable : ErrorCode::image_failed;
    co_return Error(code, "pull image \"" + name + "\": " + record.error().message());
  }
  keeper_.used(*record, must_pull);
  co_return record;
}

std::optional<model::PullProgress> ImageStore::pull_progress(const std::string& reference) const {
  const auto name = normalise_reference(reference);
  return name ? puller_.progress(*name) : std::nullopt;
}

Task<Result<std::vector<ports::StoredImage>>> ImageStore::list() {
  SBX_CO_TRY(images, co_await keeper_.list());
  for (ports::StoredImage& image : images) {
    BlobReference target;
    target.digest = image.digest;
    const auto content = co_await load(target);
    if (!content) continue;
    for (const BlobReference& layer : (*content)->manifest.layers) image.size_bytes += layer.size;
    image.created = (*content)->config.created;
    image.architecture = (*content)->config.architecture;
    image.os = (*content)->config.os;
  }
  co_return images;
}

Task<Result<void>> ImageStore::remove(std::string reference) {
  if (reference.starts_with("sha256:")) co_return co_await keeper_.remove(std::move(reference));
  SBX_CO_TRY(name, normalise_reference(reference));
  auto removed = co_await keeper_.remove(name);
  if (!removed && removed.error().code() == ErrorCode::not_found && reference != name) {
    removed = co_await keeper_.remove(reference);
  }
  co_return removed;
}

Task<Result<ports::StoredImage>> ImageStore::pull(std::string reference,
                                                  std::optional<model::RegistryCredentials> credentials) {
  SBX_CO_TRY(name, normalise_reference(reference));
  Result<void> pulled;
  if (credentials) {
    RegistryAuth auth;
    auth.username = std::move(credentials->username);
    auth.password = std::move(credentials->password);
    pulled = co_await puller_.pull(name, std::move(auth));
  } else {
    pulled = co_await puller_.pull(name);
  }
  if (!pulled)
    co_return Error(code_of_pull_text(pulled.error().code(), pulled.error().message()), pulled.error().message());
  SBX_CO_TRY(record, co_await keeper_.find(name));
  const std::shared_ptr<const void> hold = keeper_.hold(record.target().digest());
  keeper_.used(record, true);
  co_return co_await find(std::move(name));
}

Task<Result<ports::StoredImage>> ImageStore::find(std::string reference) {
  SBX_CO_TRY(images, co_await list());
  const auto name = normalise_reference(reference);
  const std::string digest = reference.starts_with("sha256:") ? reference : "sha256:" + reference;
  std::vector<ports::StoredImage> begun;
  for (ports::StoredImage& image : images) {
    const auto has = [&image](const std::string& text) {
      return std::find(image.names.begin(), image.names.end(), text) != image.names.end();
    };
    if (image.digest == digest || has(reference) || (name && has(*name))) co_return std::move(image);
    if (!reference.empty() && image.digest.starts_with(digest)) begun.push_back(std::move(image));
  }
  if (begun.size() == 1) co_return std::move(begun.front());
  if (begun.empty()) co_return Error(ErrorCode::not_found, "no image \"" + reference + "\" on this node");
  co_return Error(ErrorCode::conflict, "\"" + reference + "\" is the beginning of " + std::to_string(begun.size()) +
                                           " images' digests: give more of it");
}

Task<Result<void>> ImageStore::hold_parts(std::string digest, std::shared_ptr<const Content> content) {
  wire::UpdateContentRequest update;
  update.mutable_info()->set_digest(std::move(digest));
  auto& labels = *update.mutable_info()->mutable_labels();
  labels["containerd.io/gc.ref.content.config"] = content->manifest.config.digest;
  for (std::size_t i = 0; i < content->manifest.layers.size(); ++i)
    labels["containerd.io/gc.ref.content.l." + std::to_string(i)] = content->manifest.layers[i].digest;
  for (const auto& label : labels) update.mutable_update_mask()->add_paths("labels." + label.first);
  SBX_CO_CHECK(co_await context_.channel.unary(method::kContentUpdate, update.SerializeAsString(),
                                               context_.options.call_timeout));
  co_return Result<void>();
}

Task<Result<ports::StoredImage>> ImageStore::adopt(std::string name, BlobReference manifest) {
  const std::shared_ptr<const void> hold = keeper_.hold(manifest.digest);
  SBX_CO_TRY(content, co_await load(manifest));
  SBX_CO_CHECK(co_await hold_parts(manifest.digest, content));
  auto unpacked = co_await unpack(content);
  if (!unpacked && unpacked.error().code() == ErrorCode::not_found)
    co_return Error(ErrorCode::image_failed, "a layer is missing: " + unpacked.error().message());
  if (!unpacked) co_return unpacked.error();
  wire::Descriptor target;
  target.set_media_type(manifest.media_type.empty() ? "application/vnd.oci.image.manifest.v1+json"
                                                    : manifest.media_type);
  target.set_digest(manifest.digest);
  target.set_size(manifest.size);
  SBX_CO_CHECK(co_await keeper_.add(name, std::move(target)));
  co_return co_await find(std::move(name));
}

Task<Result<std::string>> ImageStore::base_snapshot(std::string digest) {
  BlobReference target;
  target.digest = digest;
  SBX_CO_TRY(content, co_await load(target));
  co_return content->chain.empty() ? std::string() : content->chain.back();
}

Task<Result<std::shared_ptr<const ImageStore::Content>>> ImageStore::load(BlobReference target) {
  if (const auto known = contents_.find(target.digest); known != contents_.end()) co_return known->second;
  SBX_CO_TRY(document, co_await read_blob(&context_, target.digest));
  // Only an index has "manifests"; base_snapshot() has no media type to go by.
  const bool index =
      is_index(target.media_type) || (target.media_type.empty() && document.find("\"manifests\"") != std::string::npos);
  if (index) {
    SBX_CO_TRY(chosen, choose_manifest(document));
    SBX_CO_TRY(inner, co_await read_blob(&context_, chosen.digest));
    document = std::move(inner);
  }
  auto content = std::make_shared<Content>();
  SBX_CO_TRY(manifest, parse_manifest(document));
  SBX_CO_TRY(config_json, co_await read_blob(&context_, manifest.config.digest));
  SBX_CO_TRY(config, parse_image_config(config_json));
  SBX_CO_CHECK(check_platform(config));
  if (config.diff_ids.size() != manifest.layers.size()) {
    co_return Error(ErrorCode::image_failed, "the image's manifest and config disagree on its layers");
  }
  content->chain = chain_ids(config.diff_ids);
  content->manifest = std::move(manifest);
  content->config = std::move(config);
  if (contents_.size() >= kContentsMax) contents_.clear();
  std::shared_ptr<const Content> kept = content;
  contents_[target.digest] = kept;
  co_return kept;
}

Task<Result<bool>> ImageStore::has_snapshot(std::string name) {
  wire::StatSnapshotRequest request;
  request.set_snapshotter(context_.options.snapshotter);
  request.set_key(name);
  const auto reply = co_await call<wire::StatSnapshotReply>(context_.channel, method::kSnapshotsStat,
                                                            request.SerializeAsString(), context_.options.call_timeout);
  if (reply) co_return true;
  if (reply.error().code() == ErrorCode::not_found) co_return false;
  co_return reply.error();
}

Task<Result<void>> ImageStore::unpack(std::shared_ptr<const Content> content) {
  if (content->chain.empty()) co_return Result<void>();
  SBX_CO_TRY(ready, co_await has_snapshot(content->chain.back()));
  if (ready) co_return Result<void>();

  // The lease keeps the collector off half-made snapshots; it expires by itself should this process die.
  wire::CreateLeaseRequest lease;
  lease.set_id("sandboxd-" + context_.options.instance + "-unpack-" + std::to_string(context_.clock.wall_now().ns) +
               "-" + std::to_string(++unpacks_));
  (*lease.mutable_labels())["containerd.io/gc.expire"] =
      format_rfc3339(context_.clock.wall_now() + std::chrono::hours(1));
  SBX_CO_CHECK(
      co_await context_.channel.unary(method::kLeasesCreate, lease.SerializeAsString(), context_.options.call_timeout));
  Result<void> outcome;
  for (std::size_t i = 0; i < content->chain.size() && outcome; ++i) {
    outcome = co_await unpack_layer(content, i, lease.id());
  }
  if (outcome) {
    // From now on the image's config holds the snapshot, as it does after a pull.
    const std::string label = "containerd.io/gc.ref.snapshot." + context_.options.snapshotter;
    wire::UpdateContentRequest update;
    update.mutable_info()->set_digest(content->manifest.config.digest);
    (*update.mutable_info()->mutable_labels())[label] = content->chain.back();
    update.mutable_update_mask()->add_paths("labels." + label);
    const auto held = co_await context_.channel.unary(method::kContentUpdate, update.SerializeAsString(),
                                                      context_.options.call_timeout);
    if (!held) outcome = held.error();
  }
  wire::DeleteLeaseRequest release;
  release.set_id(lease.id());
  co_await context_.channel.unary(method::kLeasesDelete, release.SerializeAsString(), context_.options.call_timeout);
  co_return outcome;
}

Task<Result<void>> ImageStore::unpack_layer(std::shared_ptr<const Content> content, std::size_t layer,
                                            std::string lease) {
  const std::string name = content->chain[layer];
  SBX_CO_TRY(there, co_await has_snapshot(name));
  if (there) co_return Result<void>();
  const CallOptions bounded(context_.options.call_timeout, lease);
  wire::PrepareSnapshotRequest prepare;
  prepare.set_snapshotter(context_.options.snapshotter);
  prepare.set_key("extract-" + lease + "-" + std::to_string(layer));
  if (layer > 0) prepare.set_parent(content->chain[layer - 1]);
  SBX_CO_TRY(prepared, co_await call<wire::PrepareSnapshotReply>(context_.channel, method::kSnapshotsPrepare,
                                                                 prepare.SerializeAsString(), bounded));
  wire::ApplyRequest apply;
  const BlobReference& blob = content->manifest.layers[layer];
  apply.mutable_diff()->set_media_type(blob.media_type);
  apply.mutable_diff()->set_digest(blob.digest);
  apply.mutable_diff()->set_size(blob.size);
  *apply.mutable_mounts() = prepared.mounts();
  const CallOptions slow(kUnpackTimeout, lease);
  SBX_CO_TRY(applied,
             co_await call<wire::ApplyReply>(context_.channel, method::kDiffApply, apply.SerializeAsString(), slow));
  if (applied.applied().digest() != content->config.diff_ids[layer]) {
    co_return Error(ErrorCode::image_failed, "layer " + std::to_string(layer) + " does not have the promised content");
  }
  wire::CommitSnapshotRequest commit;
  commit.set_snapshotter(context_.options.snapshotter);
  commit.set_name(name);
  commit.set_key(prepare.key());
  const auto done = co_await context_.channel.unary(method::kSnapshotsCommit, commit.SerializeAsString(), bounded);
  // Somebody else unpacked the same layer meanwhile: theirs is as good.
  if (!done && done.error().code() != ErrorCode::already_exists) co_return done.error();
  co_return Result<void>();
}

}  // namespace sandboxd::containerd
