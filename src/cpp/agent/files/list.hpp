// The entries of a directory, sorted, to a depth; one directory's names at a time in memory for every level.
#pragma once

#include "agent/files/acting.hpp"

#include <dirent.h>
#include <memory>
#include <vector>

namespace sandboxd::agent {

// The names of a directory but "." and "..", sorted. Read in slices.
class Folder {
 public:
  [[nodiscard]] Problem open(const std::string& path);
  // Some more names. False: all are there, and sorted.
  bool read_some();
  [[nodiscard]] bool next(std::string& name);

 private:
  struct Close {
    void operator()(DIR* stream) const { ::closedir(stream); }
  };
  std::unique_ptr<DIR, Close> stream_;
  std::vector<std::string> names_;
  std::size_t next_ = 0;
};

class ListCall : public Call {
 public:
  static void open(const Acting& acting, const Path& path, Channel& channel);
  ListCall(const Acting& acting, std::uint32_t depth) : acting_(acting), depth_(depth) {}
  bool step(Channel& channel) override;

 private:
  struct Level {
    std::string below;  // of the asked directory; empty: itself
    Folder folder;
    bool is_read = false;
  };
  [[nodiscard]] bool gather();
  bool send(Channel& channel);

  Acting acting_;
  std::uint32_t depth_;
  std::vector<std::unique_ptr<Level>> levels_;
  FileList pending_;
  std::size_t pending_bytes_ = 4;
};

}  // namespace sandboxd::agent
