// A tar archive of a directory's content, or of one file; made while it is sent.
#pragma once

#include "agent/files/acting.hpp"
#include "agent/files/list.hpp"
#include "agent/tar.hpp"

#include <map>
#include <memory>
#include <vector>

namespace sandboxd::agent {

class PackCall : public Call {
 public:
  static void open(const Acting& acting, Channel& channel);
  explicit PackCall(const Acting& acting) : acting_(acting) {}
  bool step(Channel& channel) override;

 private:
  struct Level {
    std::string below;
    Folder folder;
    bool is_read = false;
  };
  // The next entry's header, or more of the file that is open, into out_. Called as the user.
  [[nodiscard]] Problem gather();
  [[nodiscard]] Problem add(const std::string& below);
  [[nodiscard]] Problem enter(const std::string& below);
  [[nodiscard]] bool set_kind(const std::string& real, const struct stat& status, TarEntry& entry);
  [[nodiscard]] Problem read_file();

  Acting acting_;
  std::string base_;  // what the entries' paths are below
  std::vector<std::unique_ptr<Level>> levels_;
  std::map<std::pair<dev_t, ino_t>, std::string> linked_;  // files with more names than one
  Fd file_;
  std::uint64_t left_ = 0;
  std::size_t padding_ = 0;
  bool is_walked_ = false;
  std::string out_;
};

}  // namespace sandboxd::agent
