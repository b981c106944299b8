// What readers made of a sandbox's record as it is now, kept until it changes (Agent::visit). Core thread only.
#pragma once

#include <string>

namespace sandboxd::node {

// JSON of the node's API (codec/sbxlet.hpp); empty: nobody has asked since the last change.
struct Shown {
  std::string sandbox;
  std::string status;
};

}  // namespace sandboxd::node
