// An Error of the core becomes a Python exception. The GIL must be held.
#pragma once

#include "base/result.hpp"

#include <utility>

namespace sandboxd::bindings {

// Raises the class of sandboxd._exceptions that belongs to the error's code, with .code and .reasons.
[[noreturn]] void raise_error(const Error& error);

inline void unwrap(const Result<void>& result) {
  if (!result) raise_error(result.error());
}

template <class T>
[[nodiscard]] T unwrap(Result<T> result) {
  if (!result) raise_error(result.error());
  return *std::move(result);
}

}  // namespace sandboxd::bindings
