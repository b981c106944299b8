// What clients know for sure, because it was acknowledged.
#pragma once

#include "base/ids.hpp"

#include <map>
#include <string>

namespace sandboxd::world {

// Of an id: its newest life only.
struct LedgerEntry {
  std::string uid;           // of the acknowledged create
  bool may_expire = false;   // it has a time to live
  bool delete_sent = false;  // from here on it may go at any moment
  bool delete_acknowledged = false;
  bool node_was_asked = false;  // itself, to start it: the control plane had no say in the room that it takes
};
using Ledger = std::map<SandboxId, LedgerEntry>;

[[nodiscard]] inline bool was_node_asked(const Ledger& ledger, const SandboxId& id) {
  const auto found = ledger.find(id);
  return found != ledger.end() && found->second.node_was_asked;
}

}  // namespace sandboxd::world
