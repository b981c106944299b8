// The JSON of images in this dialect. Pure.
#pragma once

#include "codec/json.hpp"
#include "model/image.hpp"

#include <string>

namespace sandboxd::orch::opensbx {

// As people write it: without the registry and the owner that go without saying.
[[nodiscard]] std::string familiar_name(const std::string& name);
[[nodiscard]] codec::json::object image_summary(const model::Image& image);
[[nodiscard]] codec::json::object image_detail(const model::Image& image);

}  // namespace sandboxd::orch::opensbx
