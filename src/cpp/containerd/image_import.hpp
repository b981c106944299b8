// Imports: an archive goes into containerd's content store as it comes, and becomes an image at its end. Nothing of it
// is ever in memory but its documents. Private to this folder.
//
// What was written is held by a lease until the image's record refers to it; an import that is given up drops the
// lease, and one whose process died loses it after some hours.
#pragma once

#include "base/sha256.hpp"
#include "containerd/blob_writer.hpp"
#include "containerd/context.hpp"
#include "containerd/gunzip.hpp"
#include "containerd/image_archive.hpp"
#include "containerd/image_store.hpp"
#include "containerd/tar_reader.hpp"
#include "ports/image_library.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace sandboxd::containerd {

// What both kinds of imports share: the lease, the bounds, small blobs, and the end.
class ImportBase : public ports::ImageImport {
 public:
  ImportBase(Context& context, ImageStore& images, std::string name);
  ~ImportBase() override;

  [[nodiscard]] Task<Result<void>> write(std::string piece) final;

 protected:
  // As it came, and unpacked.
  [[nodiscard]] virtual Task<Result<void>> take_raw(std::string bytes);
  [[nodiscard]] virtual Task<Result<void>> take_plain(std::string bytes) = 0;

  // Errors: invalid_argument when the archive is not whole.
  [[nodiscard]] Result<void> check_whole() const;
  [[nodiscard]] std::unique_ptr<BlobWriter> open_blob(std::string digest, std::int64_t size);
  [[nodiscard]] Task<Result<BlobReference>> put_document(std::string text, const char* media_type);
  [[nodiscard]] Task<Result<ports::StoredImage>> adopt(BlobReference manifest);

  Context& context_;
  ImageStore& images_;
  std::string name_;  // normalised; empty: the archive has it
  Gunzip gunzip_;
  TarReader reader_;

 private:
  [[nodiscard]] Result<void> count(std::size_t raw, std::size_t plain);

  std::string lease_;
  bool has_lease_ = false;
  std::int64_t raw_bytes_ = 0;
  std::int64_t plain_bytes_ = 0;
  std::int64_t unchecked_bytes_ = 0;  // since the last look at the disk
  std::uint64_t blobs_ = 0;
};

class ArchiveImport final : public ImportBase {
 public:
  using ImportBase::ImportBase;
  [[nodiscard]] Task<Result<ports::StoredImage>> finish() override;

 private:
  [[nodiscard]] Task<Result<void>> take_plain(std::string bytes) override;
  [[nodiscard]] Result<void> begin_entry(TarEntry entry);
  [[nodiscard]] Task<Result<void>> take_data(std::string bytes);
  [[nodiscard]] Task<Result<void>> end_entry();
  [[nodiscard]] Task<Result<BlobReference>> manifest_of(ArchivedImage image);
  [[nodiscard]] Task<Result<BlobReference>> assemble(ArchivedImage image);
  [[nodiscard]] Result<ArchivedImage> chosen() const;
  [[nodiscard]] const BlobReference* find_layer(const std::string& path) const;

  TarEntry entry_;
  std::unique_ptr<BlobWriter> writer_;            // of the entry, when it is a blob
  std::string blob_digest_;                       // as its path says; empty: a layer of an old `docker save`
  Sha256 hash_;                                   // of such a layer
  std::string* document_ = nullptr;               // of the entry, when it is one
  std::size_t document_bytes_ = 0;                // of all
  std::map<std::string, std::string> documents_;  // by path
  std::map<std::string, BlobReference> layers_;   // by path
  std::map<std::string, std::string> links_;      // path -> path
};

class RootfsImport final : public ImportBase {
 public:
  RootfsImport(Context& context, ImageStore& images, std::string name, model::RootfsConfig config)
      : ImportBase(context, images, std::move(name)), config_(std::move(config)) {}
  [[nodiscard]] Task<Result<ports::StoredImage>> finish() override;

 private:
  [[nodiscard]] Task<Result<void>> take_raw(std::string bytes) override;
  [[nodiscard]] Task<Result<void>> take_plain(std::string bytes) override;

  model::RootfsConfig config_;
  std::unique_ptr<BlobWriter> writer_;
  std::int64_t size_ = 0;
  Sha256 raw_hash_;
  Sha256 plain_hash_;
};

// As ports::ImageLibrary::begin_import(); both outlive the import.
[[nodiscard]] Result<std::unique_ptr<ports::ImageImport>> begin_import(Context& context, ImageStore& images,
                                                                       ports::ImageImportRequest request);

}  // namespace sandboxd::containerd
