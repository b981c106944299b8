// A durable record that could not be read when its store was loaded.
//
// The store keeps the original aside, where the next load does not stumble over it, and where people can put it right.
// What is known of the record without its unreadable part stands in its place (a stand-in) and is loaded like any
// other; only a record whose id cannot be read leaves nothing.
#pragma once

#include <string>

namespace sandboxd::ports {

struct DamagedRecord {
  std::string kind;  // "sandboxes", "nodes"
  std::string key;   // the record's id as it stands in the store
  std::string reason;
};

}  // namespace sandboxd::ports
