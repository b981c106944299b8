// Images of this machine for people: pulls with credentials, imports, one image by whatever it is called. What
// creations need of images is in ports/sandbox_runtime.hpp. Real: containerd/containerd_runtime. Simulated:
// sim/memory_runtime. The same rules as for that port.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "model/image.hpp"
#include "ports/sandbox_runtime.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace sandboxd::ports {

inline constexpr std::int64_t kImportBytesMax = 32LL * 1024 * 1024 * 1024;  // of an archive, packed and unpacked

struct ImageImportRequest {
  std::string reference;  // the name to store it under; may be empty when the archive names its image
  model::ArchiveKind kind = model::ArchiveKind::image;
  model::RootfsConfig rootfs;  // for ArchiveKind::rootfs
};

// An archive on its way in: a tar file, plain or compressed with gzip. Destroyed before finish() has succeeded, it
// leaves nothing. Errors of both: invalid_argument (what is wrong with the archive), too_large, resource_exhausted
// (the disk), unavailable, runtime_failed; after one the import is over.
class ImageImport {
 public:
  virtual ~ImageImport() = default;
  [[nodiscard]] virtual Task<Result<void>> write(std::string piece) = 0;
  // All bytes were written: the image is stored under its name, unpacked and ready.
  [[nodiscard]] virtual Task<Result<StoredImage>> finish() = 0;
};

class ImageLibrary {
 public:
  virtual ~ImageLibrary() = default;

  // The full name: "alpine" -> "docker.io/library/alpine:latest". Errors: invalid_argument.
  [[nodiscard]] virtual Result<std::string> normalise(const std::string& reference) const = 0;

  // From its registry, whether it is here or not. Errors: invalid_argument (malformed), not_found (the registry has
  // none), permission_denied (the registry refuses), unavailable (it, or the runtime, cannot be reached),
  // resource_exhausted (the disk), deadline_exceeded, image_failed.
  [[nodiscard]] virtual Task<Result<StoredImage>> pull(std::string reference,
                                                       std::optional<model::RegistryCredentials> credentials) = 0;

  // By a name, a digest, or the beginning of one that is unique, with or without "sha256:". Errors: not_found,
  // conflict (it is the beginning of several), unavailable.
  [[nodiscard]] virtual Task<Result<StoredImage>> find(std::string reference) = 0;

  // Errors: invalid_argument (the reference).
  [[nodiscard]] virtual Result<std::unique_ptr<ImageImport>> begin_import(ImageImportRequest request) = 0;
};

}  // namespace sandboxd::ports
