// Removes a tree in slices, never through a symbolic link.
#pragma once

#include "agent/files/acting.hpp"
#include "agent/files/list.hpp"

#include <memory>
#include <vector>

namespace sandboxd::agent {

class RemoveCall : public Call {
 public:
  static void open(const Acting& acting, Channel& channel);
  explicit RemoveCall(const Acting& acting) : acting_(acting) {}
  bool step(Channel& channel) override;

 private:
  struct Level {
    std::string name;  // in the folder above; of the first: unused
    dev_t device = 0;
    ino_t inode = 0;
    std::vector<std::string> names;
  };
  [[nodiscard]] Problem enter(Fd folder, const std::string& name);
  [[nodiscard]] Problem leave();
  [[nodiscard]] Problem some(bool& has_more);

  Acting acting_;
  Fd above_;    // the folder of what is removed
  Fd current_;  // the last level's
  std::vector<Level> levels_;
};

}  // namespace sandboxd::agent
