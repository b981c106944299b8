// Making a container: record, snapshot, task. Private to this folder.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "containerd/context.hpp"
#include "containerd/image_store.hpp"
#include "ports/sandbox_runtime.hpp"

#include <cstdint>
#include <memory>

namespace sandboxd::containerd {

// Returns the pid of the created process; under runsc it is the sandbox's. Does not undo: once `*recorded` is true, a
// failure needs remove_container(). Errors: as create() of the port.
[[nodiscard]] Task<Result<std::uint32_t>> create_container(Context* context, ImageStore* images,
                                                           ports::ContainerRequest request,
                                                           std::shared_ptr<bool> recorded);

}  // namespace sandboxd::containerd
