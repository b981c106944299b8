// Unpacks a tar archive below a directory. No name in it leads out of there: neither absolute, nor by "..", nor through
// a symbolic link, whether that was there before or came with the archive.
#pragma once

#include "agent/files/acting.hpp"
#include "agent/tar.hpp"

#include <string>
#include <vector>

namespace sandboxd::agent {

class UnpackCall : public Call, private TarSink {
 public:
  static void open(const Acting& acting, const Write& write, Channel& channel);
  UnpackCall(const Acting& acting, Channel& channel) : acting_(acting), channel_(channel) {}

  [[nodiscard]] bool takes_data() const override { return true; }
  void on_data(std::string_view bytes) override;
  void on_eof() override;
  bool step(Channel&) override { return false; }

 private:
  // A folder whose mode and time are set at the end: until then it must take entries.
  struct Folder {
    std::vector<std::string> names;
    std::uint32_t mode = 0;
    std::int64_t modified_ns = 0;
  };
  [[nodiscard]] Problem begin(const TarEntry& entry) override;
  [[nodiscard]] Problem data(std::string_view bytes) override;
  [[nodiscard]] Problem end() override;

  // The folder of the last name, made where it is missing.
  [[nodiscard]] Problem reach(const std::vector<std::string>& names, bool makes, Fd& folder) const;
  [[nodiscard]] Problem make(const TarEntry& entry, int folder, const std::vector<std::string>& names);
  [[nodiscard]] Problem make_folder(const TarEntry& entry, int folder, const std::vector<std::string>& names);
  [[nodiscard]] Problem make_hard_link(const TarEntry& entry, int folder, const std::string& name) const;
  void set_owner(int folder, const std::string& name) const;
  void finish_folders() const;

  Acting acting_;
  Channel& channel_;
  Fd base_;
  TarReader reader_;
  TarEntry entry_;  // whose bytes come
  Fd file_;
  std::vector<Folder> folders_;
};

}  // namespace sandboxd::agent
