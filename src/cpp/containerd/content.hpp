// Documents out of containerd's content store. Private to this folder.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "containerd/context.hpp"

#include <string>

namespace sandboxd::containerd {

// A whole small blob: index, manifest or config. Errors: image_failed when it is missing, cut or over 8 MiB.
[[nodiscard]] Task<Result<std::string>> read_blob(Context* context, std::string digest);

}  // namespace sandboxd::containerd
