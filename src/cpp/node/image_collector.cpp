#include "node/image_collector.hpp"

#include "aio/shield.hpp"
#include "base/log.hpp"

#include <algorithm>
#include <utility>

namespace sandboxd::node {
namespace {

constexpr Log kLog("node");
constexpr Duration kDiskInterval = std::chrono::minutes(1);
constexpr int kAgeEvery = 10;  // of those

}  // namespace

std::vector<ports::StoredImage> unused_images(std::vector<ports::StoredImage> images, WallTime now, Duration min_age) {
  std::erase_if(images, [&](const ports::StoredImage& image) {
    return image.is_used || !image.is_pulled || now < image.last_used + min_age;
  });
  std::sort(images.begin(), images.end(), [](const auto& a, const auto& b) {
    return std::pair(a.last_used, std::string_view(a.digest)) < std::pair(b.last_used, std::string_view(b.digest));
  });
  return images;
}

Task<void> ImageCollector::run() {
  for (int round = 1;; ++round) {
    co_await core_.ports.clock.sleep_for(kDiskInterval);
    if (core_.runtime_down || !core_.converged) continue;
    Result<void> done;
    if (round % kAgeEvery == 1) done = co_await collect_aged();
    if (done) done = co_await make_room();
    if (!done) kLog.warn("images not looked at", {{"error", done.error().message()}});
  }
}

Task<Result<std::vector<ports::StoredImage>>> ImageCollector::unused_for(Duration age) {
  auto images = co_await core_.ports.runtime.list_images();
  if (!images) co_return images.error();
  co_return unused_images(*std::move(images), core_.ports.clock.wall_now(), age);
}

Task<Result<void>> ImageCollector::collect_aged() {
  const Duration age = core_.options.config.image_gc_max_age;
  // Asked also when age removes nothing: it is how the runtime notes what containers use.
  auto images = co_await unused_for(age);
  if (!images) co_return images.error();
  if (age == Duration::zero()) co_return Result<void>();
  for (const auto& image : *images) co_await remove(image, "not used for long");
  co_return Result<void>();
}

std::optional<std::int64_t> ImageCollector::used_percent() const {
  if (core_.ports.disk == nullptr) return std::nullopt;
  const auto space = core_.ports.disk->read();
  if (!space || space->capacity_bytes <= 0) return std::nullopt;
  return 100 - space->free_bytes * 100 / space->capacity_bytes;
}

Task<Result<void>> ImageCollector::make_room() {
  const NodeConfig& config = core_.options.config;
  auto used = used_percent();
  if (!used || *used <= config.image_gc_high_percent) {
    is_full_ = false;
    co_return Result<void>();
  }
  auto images = co_await unused_for(config.image_gc_min_age);
  if (!images) co_return images.error();
  for (const auto& image : *images) {
    if (!used || *used <= config.image_gc_low_percent) break;
    co_await remove(image, "the disk fills");
    used = used_percent();
  }
  const bool is_full = used && *used > config.image_gc_low_percent;
  if (is_full && !is_full_) {
    kLog.warn("the disk is nearly full, and no image is left that could be removed",
              {{"used_percent", *used}, {"image_gc_low_percent", config.image_gc_low_percent}});
  }
  is_full_ = is_full;
  co_return Result<void>();
}

Task<void> ImageCollector::remove(ports::StoredImage image, std::string_view why) {
  const std::string name = image.names.empty() ? image.digest : image.names.front();
  auto removed = co_await aio::shield(core_.ports.runtime.remove_image(image.digest));
  if (removed) {
    core_.images.removed(image.digest);
    kLog.info("image removed", {{"image", name}, {"digest", image.digest}, {"why", why}});
  } else if (removed.error().code() != ErrorCode::conflict && removed.error().code() != ErrorCode::not_found) {
    kLog.warn("image left for later", {{"image", name}, {"error", removed.error().message()}});
  }
}

}  // namespace sandboxd::node
