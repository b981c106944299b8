// One container's log: two FIFOs in, one bounded CRI file out. Owned by the holder; one thread.
//
// Each FIFO is opened for reading and writing, so that it never reports its end: containers come and go, and a shim
// that opens its side late finds a reader. Nothing blocks: reading stops at what is there, and output that the disk
// does not take is counted and dropped, because a workload must never wait for its log.
#pragma once

#include "base/result.hpp"
#include "codec/cri_log.hpp"
#include "logholder/file.hpp"

#include <array>
#include <cstdint>
#include <string>

namespace sandboxd::logholder {

class ContainerLog {
 public:
  static constexpr std::size_t kStreams = 2;

  // Makes what is missing below the two directories of the sandbox and opens it.
  [[nodiscard]] static Result<ContainerLog> open(int io_directory, int log_directory, const std::string& container,
                                                 std::int64_t bytes_max);

  [[nodiscard]] int fifo(std::size_t stream) const { return streams_[stream].fifo.get(); }
  // Reads and writes out at most one portion; false when the FIFO is empty.
  bool pump(std::size_t stream);
  // Everything that is in the FIFOs, and what waits for a line end.
  void drain();
  void set_bytes_max(std::int64_t bytes_max) { bytes_max_ = bytes_max; }

 private:
  struct Stream {
    File fifo;
    codec::CriFormatter formatter;
  };
  ContainerLog(std::array<Stream, kStreams> streams, File directory, std::string name, std::int64_t bytes_max)
      : streams_(std::move(streams)), directory_(std::move(directory)), name_(std::move(name)), bytes_max_(bytes_max) {}

  void write_out(const std::string& lines);
  bool append(const char* data, std::size_t size);
  void rotate();
  bool open_file();

  std::array<Stream, kStreams> streams_;
  File directory_;  // where the file lies
  std::string name_;
  std::int64_t bytes_max_;
  File file_;
  std::int64_t file_bytes_ = 0;
  std::int64_t dropped_bytes_ = 0;
};

}  // namespace sandboxd::logholder
