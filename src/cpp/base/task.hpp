// The coroutine type of the project and the error-as-value token.
#pragma once

#include <boost/asio/awaitable.hpp>

namespace sandboxd {

// A lazily started coroutine on the core thread's executor. Parameters are taken by value, or by reference to something
// that provably outlives it (a port, a service): clang-tidy checks it.
template <class T>
using Task = boost::asio::awaitable<T>;

}  // namespace sandboxd
