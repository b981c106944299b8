// The only hand-written GIL code: calling out without it, and waiting so that signals are seen.
#pragma once

#include "base/time.hpp"

#include <pybind11/pybind11.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

namespace sandboxd::bindings {

inline constexpr std::chrono::milliseconds kWaitSlice(50);

// Calls `function` without the GIL and returns what it returns.
template <class Function>
auto without_gil(Function&& function) {
  const pybind11::gil_scoped_release released;
  return std::forward<Function>(function)();
}

// Waits for `wait_slice(Duration)` to become true, `timeout_s` seconds at most (nothing: for ever). Between slices
// Python handles its signals: Ctrl-C raises KeyboardInterrupt from here.
template <class WaitSlice>
bool wait_interruptibly(WaitSlice&& wait_slice, std::optional<double> timeout_s) {
  const auto begin = std::chrono::steady_clock::now();
  while (true) {
    Duration slice = kWaitSlice;
    bool is_last = false;
    if (timeout_s) {
      const std::chrono::duration<double> left =
          std::chrono::duration<double>(*timeout_s) - (std::chrono::steady_clock::now() - begin);
      is_last = left <= kWaitSlice;
      if (is_last) slice = std::max(Duration::zero(), std::chrono::duration_cast<Duration>(left));
    }
    if (without_gil([&] { return wait_slice(slice); })) return true;
    if (PyErr_CheckSignals() != 0) throw pybind11::error_already_set();
    if (is_last) return false;
  }
}

}  // namespace sandboxd::bindings
