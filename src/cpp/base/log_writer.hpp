// Writes log lines behind everybody's back: callers only append to a bounded queue in memory.
//
// Durability: a line is in the kernel about 10 ms after it was logged (an error at once), so it survives the end of the
// process from then on; a file is synced to the disk within a second, so a power loss costs the last second of lines.
// A flood or a reader of standard output that has stopped costs lines, never time: the queue holds 4 MiB; bulk lines
// are dropped from half of it on, all others when it is full. Drops are counted, and told in a line of their own as
// soon as there is room.
#pragma once

#include "base/log_file.hpp"
#include "base/result.hpp"
#include "base/time.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace sandboxd {

class LogWriter {
 public:
  struct Options {
    std::optional<HourlyFile> file;
    int out_fd = 1;
    int error_fd = 2;
    std::size_t queue_bytes_max = std::size_t{4} * 1024 * 1024;
    std::function<WallTime()> now;  // called by the writing thread
    // The line that tells of drops, without its end.
    std::function<std::string(std::uint64_t bulk, std::uint64_t other)> drops_line;
  };
  enum class Kind { bulk, plain, error };

  explicit LogWriter(Options options);
  ~LogWriter();  // writes what waits, for two seconds at most
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  // `line` without its end. Thread-safe, never blocks on anything slow; false when it was dropped.
  bool put(std::string_view line, Kind kind);
  // Everything put before is written, or `patience` is over.
  void flush(Duration patience);
  [[nodiscard]] std::uint64_t bulk_drops() const;
  [[nodiscard]] std::uint64_t other_drops() const;

 private:
  struct Shared;
  static void run(const std::shared_ptr<Shared>& shared);
  std::shared_ptr<Shared> shared_;  // the thread's too: it may be stuck in a write when its owner leaves
};

}  // namespace sandboxd
