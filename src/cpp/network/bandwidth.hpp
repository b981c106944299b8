// A slot's bandwidth limit: both ends of its veth pair send through a token bucket, so that what is too much waits in a
// queue instead of being lost at once. The host's end limits what goes into the sandbox, the inner end what comes out
// of it. The inner one can be lifted by a process with CAP_NET_ADMIN, which no sandbox gets unless the policy allows
// it.
//
// The kernel keeps both until the pair is removed. Blocking.
#pragma once

#include "base/result.hpp"

#include <cstdint>
#include <string>

namespace sandboxd::network {

struct TokenBucket {
  // What is lost of a queue that is full: what comes last, counted in bytes, or the oldest, counted in packets.
  enum class Loses : std::uint8_t { newest_bytes, oldest_packets };

  std::uint64_t bytes_per_second = 0;
  std::uint32_t burst_bytes = 0;  // at line speed at most; what is larger is cut into frames if it can be
  Loses loses = Loses::newest_bytes;
  std::uint32_t queue_limit = 0;  // bytes or packets

  friend bool operator==(const TokenBucket&, const TokenBucket&) = default;
};

// Pure. What TCP senders get the rate with (ADR 0019). `mtu` of the interface, bytes.
[[nodiscard]] TokenBucket bucket_into_sandbox(std::int64_t bits_per_second, std::uint32_t mtu);
[[nodiscard]] TokenBucket bucket_out_of_sandbox(std::int64_t bits_per_second, std::uint32_t mtu);

// 0 takes a limit away. network_failed names the interface.
[[nodiscard]] Result<void> limit_bandwidth(const std::string& host_interface, const std::string& namespace_path,
                                           std::int64_t bits_per_second);

}  // namespace sandboxd::network
