#include "sim/memory_library.hpp"

#include <algorithm>

namespace sandboxd::sim {

class MemoryLibrary::Import final : public ports::ImageImport {
 public:
  Import(MemoryLibrary& library, std::string name) : library_(library), name_(std::move(name)) {}

  Task<Result<void>> write(std::string piece) override {
    library_.imported_bytes += piece.size();
    if (piece.starts_with("damaged"))
      co_return Error(ErrorCode::invalid_argument, "the archive is damaged (simulated)");
    co_return Result<void>();
  }
  Task<Result<ports::StoredImage>> finish() override {
    library_.machine_->images.local.insert(name_);
    return library_.find(name_);
  }

 private:
  MemoryLibrary& library_;
  std::string name_;
};

Result<std::string> MemoryLibrary::normalise(const std::string& reference) const { return normalise_image(reference); }

Task<Result<ports::StoredImage>> MemoryLibrary::pull(std::string reference,
                                                     std::optional<model::RegistryCredentials> given) {
  SBX_CO_TRY(name, normalise_image(reference));
  credentials = std::move(given);
  if (const auto refusal = refusals.find(name); refusal != refusals.end()) co_return refusal->second;
  SBX_CO_CHECK(co_await runtime_.ensure_image(name));
  co_return co_await find(std::move(name));
}

Task<Result<ports::StoredImage>> MemoryLibrary::find(std::string reference) {
  SBX_CO_TRY(images, co_await runtime_.list_images());
  const auto name = normalise_image(reference);
  for (const auto& image : images) {
    const bool named = name && std::find(image.names.begin(), image.names.end(), *name) != image.names.end();
    if (named || image.digest.starts_with(reference) || image.digest.starts_with("sha256:" + reference))
      co_return image;
  }
  co_return Error(ErrorCode::not_found, "no image \"" + reference + "\" on this node");
}

Result<std::unique_ptr<ports::ImageImport>> MemoryLibrary::begin_import(ports::ImageImportRequest request) {
  SBX_TRY(name, normalise_image(request.reference));
  return std::unique_ptr<ports::ImageImport>(std::make_unique<Import>(*this, std::move(name)));
}

}  // namespace sandboxd::sim
