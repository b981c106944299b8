#include "network/bandwidth.hpp"

#include "network/namespaces.hpp"
#include "network/rtnetlink.hpp"

#include <algorithm>

namespace sandboxd::network {
namespace {

// From here a deep queue holds all that gVisor's TCP has under way at once (4 MiB).
constexpr std::uint64_t kDeepFrom = 12'500'000;  // bytes a second
constexpr std::uint64_t kBurstMax = 4 * 1024 * 1024;
constexpr std::uint64_t kQueueMin = 256 * 1024;  // a few of the 64 KiB pieces that TCP hands down
constexpr std::uint64_t kQueueMax = 16 * 1024 * 1024;

constexpr std::uint64_t kFrame = 1518;  // the usual one
constexpr std::uint64_t kPacketsMin = 32;
constexpr std::uint64_t kPacketsMax = 300;

std::uint64_t bytes_of(std::int64_t bits_per_second) { return static_cast<std::uint64_t>(bits_per_second) / 8; }

// Above one frame: the kernel drops what never fits.
std::uint64_t two_frames(std::uint32_t mtu) { return 2 * (std::uint64_t{mtu} + 18); }

using MakeBucket = TokenBucket (*)(std::int64_t bits_per_second, std::uint32_t mtu);

Result<void> limit_interface(const std::string& name, std::int64_t bits_per_second, MakeBucket make) {
  if (bits_per_second == 0) return rtnetlink::remove_token_bucket(name);
  SBX_TRY(mtu, rtnetlink::mtu(name));
  return rtnetlink::set_token_bucket(name, make(bits_per_second, mtu));
}

}  // namespace

TokenBucket bucket_into_sandbox(std::int64_t bits_per_second, std::uint32_t mtu) {
  TokenBucket bucket;
  const std::uint64_t rate = bytes_of(bits_per_second);
  bucket.bytes_per_second = rate;
  bucket.burst_bytes = static_cast<std::uint32_t>(std::max(std::min(rate / 50, kBurstMax), two_frames(mtu)));
  bucket.queue_limit = static_cast<std::uint32_t>(std::clamp(rate * 2 / 5, kQueueMin, kQueueMax));
  return bucket;
}

TokenBucket bucket_out_of_sandbox(std::int64_t bits_per_second, std::uint32_t mtu) {
  const std::uint64_t rate = bytes_of(bits_per_second);
  if (rate >= kDeepFrom) return bucket_into_sandbox(bits_per_second, mtu);
  TokenBucket bucket;
  bucket.bytes_per_second = rate;
  bucket.burst_bytes = static_cast<std::uint32_t>(two_frames(mtu));
  bucket.loses = TokenBucket::Loses::oldest_packets;
  bucket.queue_limit = static_cast<std::uint32_t>(std::clamp(rate / 10 / kFrame, kPacketsMin, kPacketsMax));
  return bucket;
}

Result<void> limit_bandwidth(const std::string& host_interface, const std::string& namespace_path,
                             std::int64_t bits_per_second) {
  SBX_CHECK(limit_interface(host_interface, bits_per_second, bucket_into_sandbox));
  return in_namespace(namespace_path, [&] { return limit_interface("eth0", bits_per_second, bucket_out_of_sandbox); });
}

}  // namespace sandboxd::network
