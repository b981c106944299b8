// A netlink request and its answer: building messages, sending one, reading acknowledgement or dump. Blocking.
#pragma once

#include "base/result.hpp"

#include <cstdint>
#include <functional>
#include <linux/netlink.h>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::network {

// One message: header, a fixed part, attributes. Bytes are only ever appended.
class NetlinkMessage {
 public:
  NetlinkMessage(int type, int flags);

  template <class Fixed>
  void fixed(const Fixed& part) {
    append(&part, sizeof part);
  }
  void attribute(int type, const void* data, std::size_t size);
  void attribute_text(int type, std::string_view text);  // with a final zero
  void attribute_u8(int type, std::uint8_t value) { attribute(type, &value, sizeof value); }
  void attribute_u32(int type, std::uint32_t value) { attribute(type, &value, sizeof value); }
  // Attributes added until end() are inside.
  [[nodiscard]] std::size_t begin(int type);
  void end(std::size_t at);

  [[nodiscard]] std::span<const char> bytes();

 private:
  void append(const void* data, std::size_t size);

  std::vector<char> bytes_;
};

// Sends `message` over a fresh socket of `protocol` (NETLINK_ROUTE, NETLINK_NETFILTER) and reads until the
// acknowledgement or the end of the dump; `each` sees every answer. The errno of a refusal, or 0.
[[nodiscard]] Result<int> netlink_call(int protocol, NetlinkMessage message,
                                       const std::function<void(const nlmsghdr&)>& each);

// Calls `each` with every attribute in `bytes`.
void for_each_attribute(std::span<const char> bytes,
                        const std::function<void(int type, std::span<const char> data)>& each);

// What follows a message's header and `fixed_size` bytes.
[[nodiscard]] std::span<const char> attributes_of(const nlmsghdr& header, std::size_t fixed_size);

}  // namespace sandboxd::network
