#include "network/bandwidth.hpp"

#include "network/namespaces.hpp"
#include "network/rtnetlink.hpp"

#include <algorithm>

namespace sandboxd::network {
namespace {

constexpr std::uint64_t kBurstMin = 4 * 1024;  // above one frame: the kernel drops what never fits
constexpr std::uint64_t kBurstMax = 4 * 1024 * 1024;
constexpr std::uint64_t kQueueMin = 256 * 1024;  // a few of the 64 KiB pieces that TCP hands down
constexpr std::uint64_t kQueueMax = 16 * 1024 * 1024;

Result<void> limit_interface(const std::string& name, std::int64_t bits_per_second) {
  if (bits_per_second == 0) return rtnetlink::remove_token_bucket(name);
  return rtnetlink::set_token_bucket(name, token_bucket(bits_per_second));
}

}  // namespace

TokenBucket token_bucket(std::int64_t bits_per_second) {
  TokenBucket bucket;
  bucket.bytes_per_second = static_cast<std::uint64_t>(bits_per_second) / 8;
  bucket.burst_bytes = static_cast<std::uint32_t>(std::clamp(bucket.bytes_per_second / 50, kBurstMin, kBurstMax));
  bucket.queue_bytes = static_cast<std::uint32_t>(std::clamp(bucket.bytes_per_second * 2 / 5, kQueueMin, kQueueMax));
  return bucket;
}

Result<void> limit_bandwidth(const std::string& host_interface, const std::string& namespace_path,
                             std::int64_t bits_per_second) {
  SBX_CHECK(limit_interface(host_interface, bits_per_second));
  return in_namespace(namespace_path, [&] { return limit_interface("eth0", bits_per_second); });
}

}  // namespace sandboxd::network
