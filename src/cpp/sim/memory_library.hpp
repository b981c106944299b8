// The images of a simulated machine, for people. An import's bytes are counted and forgotten; those that begin with
// "damaged" are refused. A pull fails as `refusals` says.
#pragma once

#include "ports/image_library.hpp"
#include "sim/memory_runtime.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace sandboxd::sim {

class MemoryLibrary final : public ports::ImageLibrary {
 public:
  explicit MemoryLibrary(std::shared_ptr<MemoryRuntimeMachine> machine)
      : machine_(std::move(machine)), runtime_(machine_) {}

  std::map<std::string, Error> refusals;                  // by normalised name
  std::optional<model::RegistryCredentials> credentials;  // of the last pull
  std::size_t imported_bytes = 0;

  [[nodiscard]] Result<std::string> normalise(const std::string& reference) const override;
  [[nodiscard]] Task<Result<ports::StoredImage>> pull(std::string reference,
                                                      std::optional<model::RegistryCredentials> given) override;
  [[nodiscard]] Task<Result<ports::StoredImage>> find(std::string reference) override;
  [[nodiscard]] Result<std::unique_ptr<ports::ImageImport>> begin_import(ports::ImageImportRequest request) override;

 private:
  class Import;

  std::shared_ptr<MemoryRuntimeMachine> machine_;
  MemoryRuntime runtime_;
};

}  // namespace sandboxd::sim
