// How far the pull of an image has come. Not durable: known while the pull is on.
#pragma once

#include <cstdint>
#include <string>

namespace sandboxd::model {

struct PullProgress {
  std::string image;              // normalised
  std::int64_t layers_total = 0;  // 0: the registry has not said yet, and so are the others
  std::int64_t layers_done = 0;
  std::int64_t bytes_total = 0;  // of the layers as they are sent, compressed
  std::int64_t bytes_done = 0;

  friend bool operator==(const PullProgress&, const PullProgress&) = default;
};

// "pulling docker.io/library/x:1: 3 of 5 layers, 12 of 40 MiB"
[[nodiscard]] std::string to_text(const PullProgress& progress);

}  // namespace sandboxd::model
