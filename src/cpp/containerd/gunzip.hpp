// A gzip stream unpacked piece by piece; anything else passes as it is. Pure. Private to this folder.
#pragma once

#include "base/result.hpp"

#include <memory>
#include <optional>
#include <string>

namespace sandboxd::containerd {

class Gunzip {
 public:
  Gunzip();
  ~Gunzip();
  Gunzip(const Gunzip&) = delete;
  Gunzip& operator=(const Gunzip&) = delete;

  void feed(std::string bytes);
  // The next bytes, at most 256 KiB of them; nothing: it needs more input. Errors: invalid_argument (damaged, or
  // compressed in another way).
  [[nodiscard]] Result<std::optional<std::string>> next();
  // The input was gzip.
  [[nodiscard]] bool is_compressed() const;
  // No stream is open: what was fed ends where a stream ends.
  [[nodiscard]] bool is_complete() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sandboxd::containerd
