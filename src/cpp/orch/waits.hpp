// Since when each sandbox on its way to Running has waited, on a clock that does not jump.
//
// A record keeps only the wall time at which it was accepted: a start reckons the wait from that, once. A wait that
// ended stays known until its turn is over, so that an undone turn finds it as it was. Owned by the state.
#pragma once

#include "base/ids.hpp"
#include "base/time.hpp"

#include <map>
#include <utility>
#include <vector>

namespace sandboxd::orch {

class Waits {
 public:
  // By creation and id: another life of an id waits for itself.
  using Key = std::pair<WallTime, SandboxId>;

  // One that is known goes on.
  void begin(const Key& key, MonoTime since);
  void end(const Key& key);
  [[nodiscard]] MonoTime since(const Key& key) const;  // of one that was begun
  void end_turn();
  [[nodiscard]] std::size_t size() const { return waits_.size(); }

 private:
  struct Wait {
    MonoTime since;
    bool is_over = false;
  };
  std::map<Key, Wait> waits_;
  std::vector<Key> ended_;  // in this turn
};

}  // namespace sandboxd::orch
