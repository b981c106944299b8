// The production control plane as a process whose syncs are counted: orch::Orchestrator with SQLite and HTTP on
// loopback.
//
//   bench_control_plane DATA_DIR
//
// Lines on standard error: "ready PORT" once it serves; then, for each line on standard input, "syncs COUNT", the calls
// of SQLite that ended in fsync or fdatasync since the start. Stops at the end of standard input. Its log goes to
// standard output, as in production.
#include "base/log.hpp"
#include "orch/orchestrator.hpp"

#include <sqlite3.h>

#include <atomic>
#include <cstdint>
#include <iostream>
#include <map>
#include <mutex>
#include <string>

namespace {

using namespace sandboxd;

std::atomic<std::uint64_t> syncs = 0;
sqlite3_vfs* system_vfs = nullptr;
sqlite3_vfs counting_vfs;

// The methods of one kind of file, with one exchanged. `methods` stands first: a file points to it.
struct Counting {
  sqlite3_io_methods methods;
  const sqlite3_io_methods* original;
};
std::mutex kinds_mutex;
std::map<const sqlite3_io_methods*, Counting> kinds;

int counted_sync(sqlite3_file* file, int flags) {
  ++syncs;
  return reinterpret_cast<const Counting*>(file->pMethods)->original->xSync(file, flags);
}

int counted_open(sqlite3_vfs*, const char* path, sqlite3_file* file, int flags, int* out_flags) {
  const int code = system_vfs->xOpen(system_vfs, path, file, flags, out_flags);
  if (code != SQLITE_OK || file->pMethods == nullptr) return code;
  const std::scoped_lock lock(kinds_mutex);
  Counting& kind = kinds[file->pMethods];
  if (kind.original == nullptr) {
    kind.original = file->pMethods;
    kind.methods = *kind.original;
    kind.methods.xSync = counted_sync;
  }
  file->pMethods = &kind.methods;
  return code;
}

void count_syncs() {
  system_vfs = sqlite3_vfs_find(nullptr);
  counting_vfs = *system_vfs;
  counting_vfs.zName = "counting";
  counting_vfs.xOpen = counted_open;
  sqlite3_vfs_register(&counting_vfs, 1);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::cerr << "usage: bench_control_plane DATA_DIR\n";
    return 2;
  }
  // Before the writer runs, lines go to standard error, where nobody reads more than the answers.
  if (const auto writing = start_log_writer("", ""); !writing) {
    std::cerr << "bench_control_plane: " << writing.error().message() << '\n';
    return 1;
  }
  count_syncs();
  orch::OrchConfig config;
  config.listen = "127.0.0.1:0";
  config.data_dir = arguments[1];
  config.run_dir = arguments[1];
  auto control_plane = orch::Orchestrator::make(config);
  Result<void> started;
  if (control_plane) started = (*control_plane)->start();
  if (!control_plane || !started) {
    std::cerr << "bench_control_plane: " << (control_plane ? started.error() : control_plane.error()).message() << '\n';
    return 1;
  }
  std::cerr << "ready " << (*control_plane)->port() << std::endl;
  for (std::string line; std::getline(std::cin, line);) std::cerr << "syncs " << syncs << std::endl;
  (*control_plane)->stop();
  return 0;
}
