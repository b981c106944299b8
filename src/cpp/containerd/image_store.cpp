#include "containerd/image_store.hpp"

#include "base/log.hpp"
#include "containerd/image_reference.hpp"
#include "containerd/methods.hpp"
#include "containerd/rpc.hpp"
#include "containerd/runtime_text.hpp"
#include "containerd/wire.pb.h"

namespace sandboxd::containerd {

namespace {

const Log log("containerd");

constexpr std::size_t kDocumentBytesMax = 8 * 1024 * 1024;
constexpr std::size_t kContentsMax = 256;
constexpr Duration kUnpackTimeout = std::chrono::minutes(5);

Error pull_failed(const std::string& reference, const Error& cause) {
  const ErrorCode code = cause.code() == ErrorCode::unavailable ? cause.code() : ErrorCode::image_failed;
  return Error(code, "pull image \"" + reference + "\": " + clean_pull_text(cause.message()));
}

}  // namespace

Task<Result<ports::ImageInfo>> ImageStore::ensure(std::string reference) {
  SBX_CO_TRY(name, normalise_reference(reference));
  // An image imported under an unusual name is found by exactly that name.
  auto target = co_await find(name);
  if (!target && target.error().code() == ErrorCode::not_found && reference != name) {
    target = co_await find(reference);
  }
  if (!target && target.error().code() == ErrorCode::not_found) {
    const auto pulled = co_await pull(name);
    if (!pulled) co_return pull_failed(name, pulled.error());
    target = co_await find(name);
  }
  if (!target) co_return pull_failed(name, target.error());
  const std::string digest = target->digest;
  auto content = co_await load(*target);
  if (!content) co_return content.error().with_context("image \"" + name + "\"");
  const auto unpacked = co_await unpack(*content);
  if (!unpacked) co_return unpacked.error().with_context("image \"" + name + "\"");
  ports::ImageInfo info = (*content)->config.info;
  info.reference = name;
  info.digest = digest;
  co_return info;
}

Task<Result<std::string>> ImageStore::base_snapshot(std::string digest) {
  BlobReference target;
  target.digest = digest;
  SBX_CO_TRY(content, co_await load(target));
  co_return content->chain.empty() ? std::string() : content->chain.back();
}

Task<Result<BlobReference>> ImageStore::find(std::string name) {
  wire::GetImageRequest request;
  request.set_name(name);
  SBX_CO_TRY(reply, co_await call<wire::GetImageReply>(context_.channel, method::kImagesGet,
                                                       request.SerializeAsString(), context_.options.call_timeout));
  BlobReference target;
  target.media_type = reply.image().target().media_type();
  target.digest = reply.image().target().digest();
  target.size = reply.image().target().size();
  co_return target;
}

Task<Result<void>> ImageStore::pull(std::string name) {
  auto& slot = pulls_[name];
  if (!slot) {
    slot = std::make_shared<Pull>(context_.executor);
    context_.group.spawn("containerd.pull", run_pull(name, slot));
  }
  const std::shared_ptr<Pull> mine = slot;
  while (!mine->outcome) co_await mine->changed.wait();
  co_return *mine->outcome;
}

Task<void> ImageStore::run_pull(std::string name, std::shared_ptr<Pull> pull) {
  wire::PullImageRequest request;
  request.mutable_image()->set_image(name);
  const MonoTime began = context_.clock.mono_now();
  const auto reply = co_await call<wire::PullImageReply>(
      context_.channel, method::kCriPullImage, request.SerializeAsString(), context_.options.image_pull_timeout);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(context_.clock.mono_now() - began).count();
  if (reply) {
    log.info("image pulled", {{"image", name}, {"ms", ms}});
    pull->outcome.emplace();
  } else {
    pull->outcome.emplace(reply.error());
  }
  pulls_.erase(name);
  pull->changed.notify();
}

Task<Result<std::shared_ptr<const ImageStore::Content>>> ImageStore::load(BlobReference target) {
  if (const auto known = contents_.find(target.digest); known != contents_.end()) co_return known->second;
  SBX_CO_TRY(document, co_await read_blob(target.digest));
  // Only an index has "manifests"; base_snapshot() has no media type to go by.
  const bool index =
      is_index(target.media_type) || (target.media_type.empty() && document.find("\"manifests\"") != std::string::npos);
  if (index) {
    SBX_CO_TRY(chosen, choose_manifest(document));
    SBX_CO_TRY(inner, co_await read_blob(chosen.digest));
    document = std::move(inner);
  }
  auto content = std::make_shared<Content>();
  SBX_CO_TRY(manifest, parse_manifest(document));
  SBX_CO_TRY(config_json, co_await read_blob(manifest.config.digest));
  SBX_CO_TRY(config, parse_image_config(config_json));
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

Task<Result<std::string>> ImageStore::read_blob(std::string digest) {
  wire::ReadContentRequest request;
  request.set_digest(digest);
  const auto stream =
      context_.channel.open_stream(method::kContentRead, request.SerializeAsString(), context_.options.call_timeout);
  std::string document;
  while (true) {
    auto message = co_await stream->next();
    if (!message) {
      if (message.error().code() == ErrorCode::unavailable) co_return message.error();
      co_return Error(ErrorCode::image_failed, "its content is incomplete: " + message.error().message());
    }
    if (!*message) co_return document;
    wire::ReadContentReply reply;
    if (!reply.ParseFromString(**message)) co_return Error(ErrorCode::protocol_error, "unreadable content");
    document += reply.data();
    if (document.size() > kDocumentBytesMax) co_return Error(ErrorCode::image_failed, "its manifest is over 8 MiB");
  }
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
