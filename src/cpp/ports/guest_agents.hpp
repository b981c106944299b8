// The in-sandbox agents of this machine's containers. Real: guestlink/guest_agents. Simulated: sim/memory_guest.
//
// A container is named by its runtime key. Calls for a container whose agent is not connected wait a little for it (it
// reconnects by itself), then fail with `unavailable`. Nothing that an agent sends can do more than fail the calls to
// it. Errors from inside carry the errno's meaning: not_found, permission_denied, already_exists, invalid_argument,
// storage_failed (disk full), resource_exhausted (too many), unsupported. Core thread; every call may be cancelled.
#pragma once

#include "base/result.hpp"
#include "base/task.hpp"
#include "base/time.hpp"
#include "model/command.hpp"
#include "ports/guest_commands.hpp"
#include "ports/sandbox_runtime.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sandboxd::ports {

// How the agent found things when it connected first.
struct GuestStart {
  bool is_unstarted = false;  // the main process could not be run
  std::string error;          // why
};

// Bytes out of the sandbox.
class GuestReader {
 public:
  virtual ~GuestReader() = default;
  [[nodiscard]] virtual Task<Result<std::optional<std::string>>> next() = 0;  // nothing: the regular end
};

// Bytes into it. Destroyed before finish(): nothing has changed.
class GuestWriter {
 public:
  virtual ~GuestWriter() = default;
  [[nodiscard]] virtual Task<Result<void>> write(std::string bytes) = 0;
  [[nodiscard]] virtual Task<Result<model::FileInfo>> finish() = 0;
};

enum class FileChange { created, written, removed, renamed, attributes, overflow };

struct FileEvent {
  FileChange change{};
  std::string path;  // below what is watched; empty: itself, or with `overflow` nothing
};

// Destroying it ends the watch.
class GuestWatch {
 public:
  virtual ~GuestWatch() = default;
  // Waits for the next one. Events that nobody takes are bounded: then some are lost, and `overflow` stands for them.
  [[nodiscard]] virtual Task<Result<FileEvent>> next() = 0;
};

struct GuestPath {
  std::string path;
  std::string user;
};

struct GuestPort {
  std::string protocol;
  std::string address;
  int port = 0;
  std::int32_t pid = 0;
};

struct GuestProcess {
  std::int32_t pid = 0;
  std::int32_t parent = 0;
  std::uint32_t uid = 0;
  std::string state;
  std::string name;
  std::vector<std::string> argv;
  std::int64_t cpu_ns = 0;
  std::int64_t resident_bytes = 0;
  std::string command;
};

class GuestAgents : public GuestCommands {
 public:
  // Makes the container's directory with the agent's program, and listens there. Again for the same key: replaced. The
  // mount goes into the ContainerRequest. Errors: storage_failed.
  [[nodiscard]] virtual Task<Result<BindMount>> prepare(std::string key) = 0;
  // Between prepare() and the container's start. Errors: storage_failed, not_found (not prepared).
  [[nodiscard]] virtual Task<Result<void>> set_up(std::string key, GuestSetup setup) = 0;
  // After a restart of the node agent: listens again, for a container that goes on.
  [[nodiscard]] virtual Task<Result<void>> adopt(std::string key) = 0;
  // Closes the connection and removes the directory. Success also when there is nothing.
  [[nodiscard]] virtual Task<Result<void>> forget(std::string key) = 0;
  // Keys that have a directory.
  [[nodiscard]] virtual Task<Result<std::vector<std::string>>> list() = 0;
  // Until it has connected. Errors: deadline_exceeded.
  [[nodiscard]] virtual Task<Result<GuestStart>> wait_connected(std::string key, Duration limit) = 0;

  [[nodiscard]] virtual Task<Result<model::FileInfo>> stat(std::string key, GuestPath path, bool follow) = 0;
  [[nodiscard]] virtual Task<Result<std::unique_ptr<GuestReader>>> read(std::string key, GuestPath path,
                                                                        std::uint64_t offset, std::uint64_t length) = 0;
  [[nodiscard]] virtual Task<Result<std::unique_ptr<GuestWriter>>> write(std::string key, GuestPath path,
                                                                         std::uint32_t mode, bool parents) = 0;
  [[nodiscard]] virtual Task<Result<std::vector<model::FileInfo>>> list_files(std::string key, GuestPath path,
                                                                              std::uint32_t depth) = 0;
  [[nodiscard]] virtual Task<Result<model::FileInfo>> make_directory(std::string key, GuestPath path,
                                                                     std::uint32_t mode, bool parents) = 0;
  [[nodiscard]] virtual Task<Result<void>> remove(std::string key, GuestPath path, bool recursive) = 0;
  [[nodiscard]] virtual Task<Result<model::FileInfo>> rename(std::string key, GuestPath from, std::string to) = 0;
  // A tar archive of a directory or file; and one that is unpacked below a directory.
  [[nodiscard]] virtual Task<Result<std::unique_ptr<GuestReader>>> pack(std::string key, GuestPath path) = 0;
  [[nodiscard]] virtual Task<Result<std::unique_ptr<GuestWriter>>> unpack(std::string key, GuestPath path) = 0;

  // In force when this returns.
  [[nodiscard]] virtual Task<Result<std::unique_ptr<GuestWatch>>> watch(std::string key, GuestPath path,
                                                                        bool recursive) = 0;

  [[nodiscard]] virtual Task<Result<std::vector<GuestPort>>> listening_ports(std::string key) = 0;
  [[nodiscard]] virtual Task<Result<std::vector<GuestProcess>>> processes(std::string key) = 0;
};

}  // namespace sandboxd::ports
