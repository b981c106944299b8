// The end of an exchange in two directions, for asio's parallel groups.
#pragma once

#include <boost/asio/cancellation_type.hpp>

#include <memory>

namespace sandboxd::http {

// Of coroutines that return bool: ends everything when one returns false or fails, and when two have returned true, the
// directions. Another one only watches.
struct WhenOver {
  std::shared_ptr<int> ended = std::make_shared<int>(0);
  template <class E>
  boost::asio::cancellation_type_t operator()(const E& failure, bool ended_well) const {
    const bool is_over = failure || !ended_well || ++*ended == 2;
    return is_over ? boost::asio::cancellation_type_t::terminal : boost::asio::cancellation_type_t::none;
  }
};

}  // namespace sandboxd::http
