// The JSON of sandboxes in lists, written once for each version: a list of hundreds is mostly what it was a moment ago.
//
// Core thread only.
#pragma once

#include "orch/refs.hpp"

#include <cstddef>
#include <string>
#include <unordered_map>

namespace sandboxd::orch::sandboxd_o {

class ShownTexts {
 public:
  // At most so many are kept (about 1.5 KiB each); others are written each time.
  static constexpr std::size_t kKeptMax = 4096;

  // Appends sandbox_object(*sandbox).
  void append(const SandboxRef& sandbox, std::string& out);

  // After each list: sandboxes that are gone, once there may be many of them.
  void forget_gone();

  [[nodiscard]] std::size_t size() const { return kept_.size(); }

 private:
  struct Shown {
    SandboxRef version;
    std::string text;
  };

  std::unordered_map<std::string, Shown> kept_;  // by sandbox
  std::size_t sweep_at_ = 0;                     // a size: what is gone is not looked for below it
};

}  // namespace sandboxd::orch::sandboxd_o
