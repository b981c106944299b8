// For boost::asio::async_write(): gives the system everything that is left at once. What Asio does by itself is 64 KiB
// at a time, which makes many small packets, and a turn of the loop between them, of a large piece.
#pragma once

#include <boost/system/error_code.hpp>

#include <cstddef>
#include <limits>

namespace sandboxd::aio {

struct TransferWhole {
  std::size_t operator()(const boost::system::error_code& failure, std::size_t /*sent*/) const {
    return failure ? 0 : std::numeric_limits<std::size_t>::max();
  }
};

}  // namespace sandboxd::aio
