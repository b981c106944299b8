// Container logs in the CRI text format: "<RFC 3339 with nanoseconds> <stdout|stderr> <F|P> <text>".
//
// A line that was cut carries the tag P, its last piece F. Text is copied byte for byte, whatever it holds. Pure.
// Source: the format of Kubernetes' container runtime interface, as containerd writes it.
#pragma once

#include "base/time.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::codec {

inline constexpr std::size_t kCriPieceBytesMax = 16 * 1024;

// Cuts one stream of a container into log lines. Bytes without a line end wait for it.
class CriFormatter {
 public:
  // "stdout" or "stderr".
  explicit CriFormatter(std::string_view stream) : stream_(stream) {}

  // Appends the lines that `bytes` completes, with line ends.
  void feed(std::string_view bytes, WallTime now, std::string& out);
  // Appends what waits as a last line: nothing more will come.
  void flush(WallTime now, std::string& out);
  [[nodiscard]] std::size_t waiting() const { return pending_.size(); }

 private:
  void append(std::string_view text, char tag, const std::string& time, std::string& out) const;

  std::string stream_;
  std::string pending_;
};

// The lines of a log file's content, without "\n" or "\r\n"; a last one without line end counts.
[[nodiscard]] std::vector<std::string> split_lines(std::string_view content);

struct ContainerLines {
  std::string container;
  std::vector<std::string> lines;
};

// All containers' lines as one log: each prefixed "[<container>] ", sorted by time where they begin with one (equal
// times keep their order), then the others by container. sandboxd-o's rules.
[[nodiscard]] std::vector<std::string> merge_lines(std::vector<ContainerLines> containers);

}  // namespace sandboxd::codec
