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

  [[nodiscard]] std::size_t size() const { return kept_.size(); }

 private:
  struct Shown {
    SandboxRef version;
    std::string text;
  };

  void forget_gone();

  std::unordered_map<std::string, Shown> kept_;  // by sandbox
  std::size_t sweep_at_ = 0;                     // a size; what is gone is looked for when it is reached
};

}  // namespace sandboxd::orch::sandboxd_o
