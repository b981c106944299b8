// /api/v1/images and a sandbox's usage: additions to the original's routes, over the whole fleet. The objects are those
// of the node's API (codec/sbxlet_images.hpp); an image has `nodes` besides.
#pragma once

#include "base/result.hpp"
#include "http/router.hpp"
#include "orch/image_service.hpp"

namespace sandboxd::orch::sandboxd_o {

// `images` must outlive the router.
[[nodiscard]] Result<void> add_image_routes(http::Router& router, ImageService& images, ports::Clock& clock);

}  // namespace sandboxd::orch::sandboxd_o
