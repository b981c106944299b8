#include "containerd/image_import.hpp"

#include "containerd/content.hpp"
#include "containerd/image_puller.hpp"
#include "containerd/image_reference.hpp"
#include "containerd/methods.hpp"
#include "containerd/wire.pb.h"

#include <utility>

namespace sandboxd::containerd {

namespace {

constexpr Duration kLeaseAge = std::chrono::hours(4);
constexpr std::int64_t kDiskCheckBytes = 16 * 1024 * 1024;
constexpr std::size_t kDocumentBytesMax = 16 * 1024 * 1024;  // of all of an archive
constexpr std::int64_t kEntriesMax = 4'000'000;
constexpr std::size_t kLinksMax = 4096;

Error damaged(const std::string& why) { return {ErrorCode::invalid_argument, "the archive " + why}; }

Task<void> drop_lease(Context* context, std::string id) {
  wire::DeleteLeaseRequest release;
  release.set_id(std::move(id));
  co_await context->channel.unary(method::kLeasesDelete, release.SerializeAsString(), context->options.call_timeout);
}

// Where a link in an archive leads: relative to its own folder. Empty: outside.
std::string resolve(const std::string& path, const std::string& link) {
  std::string folder = path.substr(0, path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  std::string_view rest = link;
  while (rest.starts_with("../")) {
    if (folder.empty()) return {};
    folder.resize(folder.rfind('/') == std::string::npos ? 0 : folder.rfind('/'));
    rest.remove_prefix(3);
  }
  return folder.empty() ? std::string(rest) : folder + "/" + std::string(rest);
}

// Problems of the image's documents are the archive's here.
Error of_archive(const Error& error) {
  if (error.code() != ErrorCode::image_failed) return error;
  return {ErrorCode::invalid_argument, "the archive cannot be used: " + error.message()};
}

}  // namespace

ImportBase::ImportBase(Context& context, ImageStore& images, std::string name)
    : context_(context), images_(images), name_(std::move(name)) {
  lease_ = "sandboxd-" + context_.options.instance + "-import-" + std::to_string(context_.clock.wall_now().ns);
}

ImportBase::~ImportBase() {
  if (has_lease_) context_.group.spawn("containerd.import", drop_lease(&context_, lease_));
}

Task<Result<void>> ImportBase::write(std::string piece) {
  if (!has_lease_) {
    wire::CreateLeaseRequest lease;
    lease.set_id(lease_);
    (*lease.mutable_labels())["containerd.io/gc.expire"] = format_rfc3339(context_.clock.wall_now() + kLeaseAge);
    has_lease_ = true;  // also when the answer is lost
    SBX_CO_CHECK(co_await context_.channel.unary(method::kLeasesCreate, lease.SerializeAsString(),
                                                 context_.options.call_timeout));
  }
  SBX_CO_CHECK(count(piece.size(), 0));
  gunzip_.feed(piece);
  SBX_CO_CHECK(co_await take_raw(std::move(piece)));
  for (;;) {
    SBX_CO_TRY(plain, gunzip_.next());
    if (!plain) co_return Result<void>();
    SBX_CO_CHECK(count(0, plain->size()));
    SBX_CO_CHECK(co_await take_plain(*std::move(plain)));
  }
}

Task<Result<void>> ImportBase::take_raw(std::string) { co_return Result<void>(); }

Result<void> ImportBase::count(std::size_t raw, std::size_t plain) {
  raw_bytes_ += static_cast<std::int64_t>(raw);
  plain_bytes_ += static_cast<std::int64_t>(plain);
  unchecked_bytes_ += static_cast<std::int64_t>(raw + plain);
  if (raw_bytes_ > ports::kImportBytesMax || plain_bytes_ > ports::kImportBytesMax) {
    return Error(ErrorCode::too_large,
                 "the archive has more than " + std::to_string(ports::kImportBytesMax >> 30) + " GiB");
  }
  if (reader_.entries() > kEntriesMax) return Error(ErrorCode::too_large, "the archive has too many entries");
  if (unchecked_bytes_ < kDiskCheckBytes && raw_bytes_ > static_cast<std::int64_t>(raw)) return {};
  unchecked_bytes_ = 0;
  return check_disk(context_.options);
}

Result<void> ImportBase::check_whole() const {
  if (raw_bytes_ == 0) return damaged("is empty");
  if (!gunzip_.is_complete() || !reader_.is_complete()) return damaged("is no tar file, or is cut short");
  return {};
}

std::unique_ptr<BlobWriter> ImportBase::open_blob(std::string digest, std::int64_t size) {
  BlobTicket ticket;
  ticket.ref = lease_ + "-" + std::to_string(++blobs_);
  ticket.digest = std::move(digest);
  ticket.size = size;
  ticket.lease = lease_;
  return std::make_unique<BlobWriter>(context_, std::move(ticket));
}

Task<Result<BlobReference>> ImportBase::put_document(std::string text, const char* media_type) {
  BlobReference blob;
  blob.media_type = media_type;
  blob.digest = "sha256:" + sha256_hex(text);
  blob.size = static_cast<std::int64_t>(text.size());
  const auto writer = open_blob(blob.digest, blob.size);
  SBX_CO_CHECK(co_await writer->write(std::move(text)));
  SBX_CO_CHECK(co_await writer->commit(blob.digest, {}));
  co_return blob;
}

Task<Result<ports::StoredImage>> ImportBase::adopt(BlobReference manifest) {
  auto image = co_await images_.adopt(name_, std::move(manifest));
  if (!image) co_return of_archive(image.error());
  co_return image;
}

Task<Result<void>> ArchiveImport::take_plain(std::string bytes) {
  reader_.feed(bytes);
  for (;;) {
    SBX_CO_TRY(event, reader_.next());
    if (!event) co_return Result<void>();
    if (auto* entry = std::get_if<TarEntry>(&*event)) {
      SBX_CO_CHECK(begin_entry(std::move(*entry)));
    } else if (auto* data = std::get_if<TarData>(&*event)) {
      SBX_CO_CHECK(co_await take_data(std::move(data->bytes)));
    } else {
      SBX_CO_CHECK(co_await end_entry());
    }
  }
}

Result<void> ArchiveImport::begin_entry(TarEntry entry) {
  entry_ = std::move(entry);
  writer_.reset();
  document_ = nullptr;
  const std::string& path = entry_.path;
  if (entry_.kind == TarEntry::Kind::link || entry_.kind == TarEntry::Kind::hard_link) {
    if (links_.size() >= kLinksMax) return damaged("has too many links");
    links_[path] = entry_.kind == TarEntry::Kind::link ? resolve(path, entry_.link) : entry_.link;
  }
  if (entry_.kind != TarEntry::Kind::file) return {};
  blob_digest_ = digest_of_path(path);
  if (!blob_digest_.empty() || path.ends_with(".tar")) {
    writer_ = open_blob(blob_digest_, entry_.size);
    hash_ = Sha256();
    layers_[path] = {kLayerType, blob_digest_, entry_.size};
  } else if (path.ends_with(".json")) {
    document_bytes_ += static_cast<std::size_t>(entry_.size);
    if (document_bytes_ > kDocumentBytesMax) return damaged("has documents of more than 16 MiB");
    document_ = &documents_[path];
    document_->clear();
  }
  return {};
}

Task<Result<void>> ArchiveImport::take_data(std::string bytes) {
  if (document_ != nullptr) *document_ += bytes;
  if (!writer_) co_return Result<void>();
  if (blob_digest_.empty()) hash_.add(bytes);
  co_return co_await writer_->write(std::move(bytes));
}

Task<Result<void>> ArchiveImport::end_entry() {
  if (!writer_) co_return Result<void>();
  const auto writer = std::exchange(writer_, nullptr);
  const std::string digest = blob_digest_.empty() ? "sha256:" + hash_.hex() : blob_digest_;
  layers_[entry_.path].digest = digest;
  auto done = co_await writer->commit(digest, {});
  if (!done) co_return done.error().with_context(entry_.path);
  co_return Result<void>();
}

Result<ArchivedImage> ArchiveImport::chosen() const {
  if (const auto layout = documents_.find("index.json"); layout != documents_.end()) {
    SBX_TRY(images, parse_layout_index(layout->second));
    return choose_image(std::move(images), name_);
  }
  if (const auto docker = documents_.find("manifest.json"); docker != documents_.end()) {
    SBX_TRY(images, parse_docker_manifest(docker->second));
    return choose_image(std::move(images), name_);
  }
  return damaged(
      "is no image: it has neither index.json nor manifest.json (a root file system is imported with format=rootfs)");
}

Task<Result<BlobReference>> ArchiveImport::manifest_of(ArchivedImage image) {
  if (image.target.digest.empty()) co_return co_await assemble(std::move(image));
  BlobReference target = image.target;
  for (int depth = 0; is_index(target.media_type); ++depth) {
    if (depth > 3) co_return damaged("has indexes within indexes");
    const auto index = co_await read_blob(&context_, target.digest);
    if (!index) co_return of_archive(index.error());
    auto inner = choose_manifest(*index);
    if (!inner) co_return of_archive(inner.error());
    target = *std::move(inner);
  }
  co_return target;
}

const BlobReference* ArchiveImport::find_layer(const std::string& path) const {
  std::string at = path;
  for (int hops = 0; hops < 8; ++hops) {
    if (const auto found = layers_.find(at); found != layers_.end()) return &found->second;
    const auto link = links_.find(at);
    if (link == links_.end()) return nullptr;
    at = link->second;
  }
  return nullptr;
}

Task<Result<BlobReference>> ArchiveImport::assemble(ArchivedImage image) {
  const auto config = documents_.find(image.config);
  if (config == documents_.end()) co_return damaged("lacks its config " + image.config);
  std::vector<BlobReference> layers;
  for (const std::string& path : image.layers) {
    const BlobReference* layer = find_layer(path);
    if (layer == nullptr) co_return damaged("lacks its layer " + path);
    layers.push_back(*layer);
  }
  SBX_CO_TRY(described, co_await put_document(config->second, kConfigType));
  co_return co_await put_document(make_manifest(described, layers), kManifestType);
}

Task<Result<ports::StoredImage>> ArchiveImport::finish() {
  SBX_CO_CHECK(check_whole());
  SBX_CO_TRY(image, chosen());
  if (name_.empty() && image.names.empty()) co_return damaged("does not name its image: give a reference");
  if (name_.empty()) name_ = image.names.front();
  SBX_CO_TRY(manifest, co_await manifest_of(std::move(image)));
  co_return co_await adopt(std::move(manifest));
}

Task<Result<void>> RootfsImport::take_raw(std::string bytes) {
  raw_hash_.add(bytes);
  size_ += static_cast<std::int64_t>(bytes.size());
  if (!writer_) writer_ = open_blob("", 0);
  co_return co_await writer_->write(std::move(bytes));
}

Task<Result<void>> RootfsImport::take_plain(std::string bytes) {
  plain_hash_.add(bytes);
  reader_.feed(bytes);
  // The daemon unpacks it, and keeps to its directory; here a bad archive is told while it comes.
  for (;;) {
    SBX_CO_TRY(event, reader_.next());
    if (!event) co_return Result<void>();
  }
}

Task<Result<ports::StoredImage>> RootfsImport::finish() {
  SBX_CO_CHECK(check_whole());
  BlobReference layer;
  layer.media_type = gunzip_.is_compressed() ? kGzipLayerType : kLayerType;
  layer.digest = "sha256:" + raw_hash_.hex();
  layer.size = size_;
  const std::string diff_id = "sha256:" + plain_hash_.hex();
  SBX_CO_CHECK(co_await writer_->commit(layer.digest, {{"containerd.io/uncompressed", diff_id}}));
  const std::string created = format_rfc3339(context_.clock.wall_now());
  SBX_CO_TRY(config, co_await put_document(make_rootfs_config(config_, diff_id, created), kConfigType));
  SBX_CO_TRY(manifest, co_await put_document(make_manifest(config, {layer}), kManifestType));
  co_return co_await adopt(std::move(manifest));
}

Result<std::unique_ptr<ports::ImageImport>> begin_import(Context& context, ImageStore& images,
                                                         ports::ImageImportRequest request) {
  std::string name;
  if (!request.reference.empty()) {
    SBX_TRY(normalised, normalise_reference(request.reference));
    name = normalised;
    if (name.find('@') != std::string::npos)
      return Error(ErrorCode::invalid_argument, "an import is stored under a tag, not under a digest: " + name);
  }
  if (request.kind == model::ArchiveKind::image)
    return std::unique_ptr<ports::ImageImport>(std::make_unique<ArchiveImport>(context, images, std::move(name)));
  if (name.empty())
    return Error(ErrorCode::invalid_argument, "a root file system has no name of its own: give a reference");
  return std::unique_ptr<ports::ImageImport>(
      std::make_unique<RootfsImport>(context, images, std::move(name), std::move(request.rootfs)));
}

}  // namespace sandboxd::containerd
