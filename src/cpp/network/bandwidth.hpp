// A slot's bandwidth limit: both ends of its veth pair send through a token bucket, so that what is too much waits in a
// short queue instead of being lost. The host's end limits what goes into the sandbox, the inner end what comes out of
// it. The inner one can be lifted by a process with CAP_NET_ADMIN, which no sandbox gets unless the policy allows it.
//
// The kernel keeps both until the pair is removed. Blocking.
#pragma once

#include "base/result.hpp"

#include <cstdint>
#include <string>

namespace sandboxd::network {

struct TokenBucket {
  std::uint64_t bytes_per_second = 0;
  std::uint32_t burst_bytes = 0;  // at line speed at most
  std::uint32_t queue_bytes = 0;

  friend bool operator==(const TokenBucket&, const TokenBucket&) = default;
};

// Pure. 20 ms of the rate at once, at least a full frame, and 400 ms in the queue, at least 256 KiB: with less, a
// sender that starts fast loses so much at once that gVisor's TCP takes long to recover.
[[nodiscard]] TokenBucket token_bucket(std::int64_t bits_per_second);

// 0 takes a limit away. network_failed names the interface.
[[nodiscard]] Result<void> limit_bandwidth(const std::string& host_interface, const std::string& namespace_path,
                                           std::int64_t bits_per_second);

}  // namespace sandboxd::network
