// A tar file read piece by piece, never as a whole: ustar, with GNU's and pax's long names and sizes. Pure; the bytes
// come from anybody and are not trusted. Private to this folder.
//
//   reader.feed(bytes);
//   for (;;) { SBX_TRY(event, reader.next()); if (!event) break; ... }   // nothing: it needs more bytes
#pragma once

#include "base/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace sandboxd::containerd {

struct TarEntry {
  std::string path;  // without "./" and slashes at its ends; the archive's root is empty
  enum class Kind { file, directory, link, hard_link, other } kind = Kind::file;
  std::string link;       // where a link leads, as written
  std::int64_t size = 0;  // of the data that follow
};
struct TarData {
  std::string bytes;  // of the last entry
};
struct TarEntryEnd {};  // behind the data of every entry
using TarEvent = std::variant<TarEntry, TarData, TarEntryEnd>;

class TarReader {
 public:
  void feed(std::string_view bytes);
  // Errors: invalid_argument, what is wrong with the archive: a checksum, a path that is absolute or leads upwards, a
  // hard link that does, a sparse file of an unknown form.
  [[nodiscard]] Result<std::optional<TarEvent>> next();
  // Whether what was fed is a whole archive: its end was read, or it stops between two entries.
  [[nodiscard]] bool is_complete() const;
  // Of entries so far.
  [[nodiscard]] std::int64_t entries() const { return entries_; }

 private:
  enum class State { header, data, padding, extension, over };

  [[nodiscard]] Result<std::optional<TarEvent>> read_header();
  [[nodiscard]] std::optional<TarEvent> read_data();
  [[nodiscard]] Result<void> take_extension(std::string_view text);
  [[nodiscard]] std::string_view rest() const { return std::string_view(buffer_).substr(at_); }

  State state_ = State::header;
  std::string buffer_;
  std::size_t at_ = 0;  // of what is not read yet
  std::int64_t left_ = 0;
  std::int64_t padding_ = 0;
  bool ends_entry_ = false;
  char extension_ = 0;
  std::int64_t entries_ = 0;
  // From extension headers, for the next entry.
  std::optional<std::string> path_;
  std::optional<std::string> link_;
  std::optional<std::int64_t> size_;
};

}  // namespace sandboxd::containerd
