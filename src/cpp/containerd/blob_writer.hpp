// One blob on its way into containerd's content store, which checks its digest. Private to this folder.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "containerd/context.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace sandboxd::containerd {

struct BlobTicket {
  std::string ref;        // names the unfinished write: unique
  std::string digest;     // that it must have; empty: known only at its end
  std::int64_t size = 0;  // that it must have; 0: not known
  std::string lease;      // keeps it until an image refers to it
};

class BlobWriter {
 public:
  BlobWriter(Context& context, BlobTicket ticket);

  // Errors: resource_exhausted (the disk), unavailable. A blob that is there already is not written again.
  [[nodiscard]] Task<Result<void>> write(std::string bytes);
  // `digest` is what was written. Errors: also invalid_argument when it is not what was promised.
  [[nodiscard]] Task<Result<void>> commit(std::string digest, std::map<std::string, std::string> labels);

 private:
  Context& context_;
  BlobTicket ticket_;
  std::unique_ptr<DuplexStream> stream_;
  std::int64_t offset_ = 0;
  bool is_there_ = false;
};

}  // namespace sandboxd::containerd
