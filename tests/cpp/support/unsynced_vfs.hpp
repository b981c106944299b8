// A disk for SQLite that can lose power: an in-memory VFS that keeps what was written apart from what was synced.
//
// Files live in this object, so that a test can cut the power, drop what was not synced and open the database again.
// Every operation that changes the disk (write, truncate, sync, delete) has a number, counted from 1; faults name the
// number at which they strike. Files are opened by one connection at a time. Any thread.
#pragma once

#include "base/random.hpp"

#include <sqlite3.h>

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace sandboxd::test {

// What becomes of un-synced bytes when the power goes.
enum class Survival {
  nothing,     // all are lost
  some,        // a random half of the 512-byte sectors reached the disk, in any order
  everything,  // all had reached the disk by luck
};

class UnsyncedVfs {
 public:
  UnsyncedVfs();   // registered with SQLite under name()
  ~UnsyncedVfs();  // every connection is closed by then
  UnsyncedVfs(const UnsyncedVfs&) = delete;
  UnsyncedVfs& operator=(const UnsyncedVfs&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }

  // The machine stops before operation `number`: it and everything after it fail until power_on().
  void cut_power_at(std::uint64_t number);
  void cut_power();
  [[nodiscard]] bool is_off() const;
  void power_on(Survival survival, Random& random);

  // Operation `number` fails with an I/O error without effect, the next ones work. A failed sync may or may not have
  // synced: here it has not.
  void fail_at(std::uint64_t number);
  // Writes that make a file longer fail as on a full disk.
  void set_full(bool full);
  // Syncs wait until they are let go. For tests of what gathers meanwhile.
  void hold_syncs(bool hold);

  [[nodiscard]] std::uint64_t operations() const;
  // Syncs of files whose name ends in `suffix`.
  [[nodiscard]] std::uint64_t syncs(const std::string& suffix) const;

 private:
  struct Pending {
    std::size_t offset = 0;
    std::vector<char> bytes;
    bool is_truncate = false;  // to `offset`
  };
  struct File {
    std::string name;
    bool exists = false;
    bool durable_exists = false;
    std::vector<char> bytes;
    std::vector<char> durable;
    std::vector<Pending> pending;
    std::vector<std::unique_ptr<std::vector<char>>> shared;  // the log's index, which is memory and never durable
    std::uint64_t syncs = 0;
  };
  struct Handle;
  struct Methods;

  File& file(const std::string& name);
  // SQLITE_OK, or why the next changing operation fails.
  int begin_change();
  int write(File& file, const char* data, std::size_t size, std::size_t offset);
  int truncate(File& file, std::size_t size);
  int sync(File& file);
  int remove(const std::string& name, bool sync_directory);

  std::string name_;
  sqlite3_vfs vfs_{};
  mutable std::mutex mutex_;
  std::condition_variable released_;
  std::map<std::string, std::unique_ptr<File>> files_;
  std::uint64_t operations_ = 0;
  std::uint64_t cut_at_ = 0;
  std::uint64_t fail_at_ = 0;
  std::uint64_t temporary_ = 0;
  bool off_ = false;
  bool full_ = false;
  bool hold_ = false;
};

}  // namespace sandboxd::test
