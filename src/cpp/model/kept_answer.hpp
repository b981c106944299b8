// The answer to a create that carried an idempotency key, kept so that a repeated request hears it again.
#pragma once

#include "base/time.hpp"

#include <string>

namespace sandboxd::model {

struct KeptAnswer {
  std::string owner;
  std::string key;          // as the client chose it; unique per owner
  std::string fingerprint;  // of the request: a key belongs to one request
  std::string text;         // the body of the first answer
  WallTime created_at;

  friend bool operator==(const KeptAnswer&, const KeptAnswer&) = default;
};

}  // namespace sandboxd::model
