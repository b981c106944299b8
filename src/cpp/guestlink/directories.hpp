// Where containers meet their agents on the host: <run_dir>/agents/<key>/ with the agent's program, what it is to do,
// and the socket that the node listens on. Mounted read-only into the container. All functions block.
//
// The programs are links to one copy, so that a thousand sandboxes have one agent in memory.
#pragma once

#include "base/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::guestlink {

class Directories {
 public:
  Directories(std::string run_dir, std::string program) : root_(run_dir + "/agents"), program_(std::move(program)) {}

  // With program; without the setup and socket of an earlier life. Errors: storage_failed, not_found (the program).
  [[nodiscard]] Result<void> make(const std::string& key) const;
  [[nodiscard]] Result<void> write_setup(const std::string& key, std::string_view bytes) const;
  [[nodiscard]] Result<void> remove(const std::string& key) const;
  [[nodiscard]] Result<std::vector<std::string>> list() const;
  [[nodiscard]] std::string path(const std::string& key) const { return root_ + "/" + key; }

 private:
  [[nodiscard]] Result<std::string> keep_program() const;

  std::string root_;
  std::string program_;
};

// A socket that listens at <directory>/agent.sock, for root alone; the path may be longer than socket addresses are.
[[nodiscard]] Result<int> listen_in(const std::string& directory);

}  // namespace sandboxd::guestlink
