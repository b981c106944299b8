// Tar archives: ustar with pax headers where ustar is too small. Knows nothing of files.
#pragma once

#include "agent/system.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::agent {

struct TarEntry {
  // The letters of the format.
  enum class Kind : char {
    file = '0',
    hard_link = '1',
    symbolic_link = '2',
    character = '3',
    block = '4',
    directory = '5',
    fifo = '6'
  };
  Kind kind = Kind::file;
  std::string path;
  std::string target;  // of a link
  std::uint32_t mode = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string owner;
  std::string group;
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;
};

inline constexpr std::size_t kTarBlock = 512;
// What stands before the entry's bytes.
[[nodiscard]] std::string tar_header(const TarEntry& entry);
// Zeros after so many bytes.
[[nodiscard]] inline std::size_t tar_padding(std::uint64_t size) {
  return static_cast<std::size_t>((kTarBlock - size % kTarBlock) % kTarBlock);
}
// The archive's end.
[[nodiscard]] inline std::string tar_end() { return std::string(2 * kTarBlock, '\0'); }

// The names of a path, without "." and empty ones. Refused: absolute ones, and "..".
[[nodiscard]] Problem split_inside(std::string_view path, std::vector<std::string>& names);

// Who takes what an archive holds. The first problem is the last thing that happens.
class TarSink {
 public:
  virtual ~TarSink() = default;
  [[nodiscard]] virtual Problem begin(const TarEntry& entry) = 0;
  [[nodiscard]] virtual Problem data(std::string_view bytes) = 0;  // of a file
  [[nodiscard]] virtual Problem end() = 0;                         // of a file
};

class TarReader {
 public:
  [[nodiscard]] Problem feed(std::string_view bytes, TarSink& sink);
  // Whether an archive may end here.
  [[nodiscard]] bool is_complete() const { return is_over_ || (block_.empty() && left_ == 0 && padding_ == 0); }

 private:
  enum class Body { none, file, extension, ignored };
  [[nodiscard]] Problem take_header(TarSink& sink);
  [[nodiscard]] Problem take_body(std::string_view& bytes, TarSink& sink);
  [[nodiscard]] Problem end_body(TarSink& sink);
  [[nodiscard]] Problem begin_entry(char type, TarEntry entry, TarSink& sink);
  [[nodiscard]] Problem apply_pax(TarEntry& entry) const;
  [[nodiscard]] Problem take_pax();

  std::string block_;  // a header in the making
  Body body_ = Body::none;
  char extension_ = 0;
  std::string text_;  // of an extension
  std::uint64_t left_ = 0;
  std::size_t padding_ = 0;
  std::map<std::string, std::string> pax_;  // for the next entry
  bool is_over_ = false;
};

}  // namespace sandboxd::agent
