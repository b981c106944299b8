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
};
using Ledger = std::map<SandboxId, LedgerEntry>;

}  // namespace sandboxd::world
