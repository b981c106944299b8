// Images as people see them: what a node has, what a pull needs besides, and a pull as it goes.
#pragma once

#include "base/time.hpp"
#include "model/pull_progress.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace sandboxd::model {

struct Image {
  std::string digest;              // of the manifest or index
  std::vector<std::string> names;  // under which it is stored, without digests, sorted
  std::int64_t size_bytes = 0;     // of its layers, compressed; 0: not known
  std::string created;             // as its config says
  std::string architecture;
  std::string os;
  WallTime last_used;
  bool is_used = false;  // by a container now

  friend bool operator==(const Image&, const Image&) = default;
};

// For one pull: never stored and never logged.
struct RegistryCredentials {
  std::string username;
  std::string password;

  friend bool operator==(const RegistryCredentials&, const RegistryCredentials&) = default;
};

// How the root file system of an import is to be run; empty members say nothing.
struct RootfsConfig {
  std::vector<std::string> entrypoint;
  std::vector<std::string> command;
  std::vector<std::string> env;  // KEY=VALUE
  std::string work_dir;
  std::string user;

  friend bool operator==(const RootfsConfig&, const RootfsConfig&) = default;
};

// What the bytes of an import are.
enum class ArchiveKind {
  image,   // an OCI layout or the output of `docker save`, as a tar file
  rootfs,  // a root file system as a tar file
};

}  // namespace sandboxd::model
