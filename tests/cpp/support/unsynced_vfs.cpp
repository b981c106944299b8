#include "support/unsynced_vfs.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace sandboxd::test {
namespace {

constexpr std::size_t kSector = 512;
constexpr int kOk = SQLITE_OK;

void put_bytes(std::vector<char>& into, std::size_t offset, const char* data, std::size_t size) {
  if (into.size() < offset + size) into.resize(offset + size, '\0');
  std::memcpy(into.data() + offset, data, size);
}

}  // namespace

// What SQLite holds for an open file. It allocates the bytes itself, so there are no constructors.
struct UnsyncedVfs::Handle {
  sqlite3_file base;
  UnsyncedVfs* vfs;
  File* file;
};

// SQLite's callbacks. They lock, and leave the work to the object.
struct UnsyncedVfs::Methods {
  static Handle& self(sqlite3_file* file) { return *reinterpret_cast<Handle*>(file); }
  static UnsyncedVfs& self(sqlite3_vfs* vfs) { return *static_cast<UnsyncedVfs*>(vfs->pAppData); }
  static sqlite3_vfs* system() { return sqlite3_vfs_find(nullptr); }

  static int close(sqlite3_file*) { return kOk; }
  static int read(sqlite3_file* f, void* out, int size, sqlite3_int64 offset) {
    Handle& handle = self(f);
    const std::lock_guard hold(handle.vfs->mutex_);
    if (handle.vfs->off_) return SQLITE_IOERR_READ;
    const std::vector<char>& bytes = handle.file->bytes;
    const auto from = std::min(static_cast<std::size_t>(offset), bytes.size());
    const auto count = std::min(static_cast<std::size_t>(size), bytes.size() - from);
    std::memset(out, 0, static_cast<std::size_t>(size));
    if (count != 0) std::memcpy(out, bytes.data() + from, count);
    return count == static_cast<std::size_t>(size) ? kOk : SQLITE_IOERR_SHORT_READ;
  }
  static int write(sqlite3_file* f, const void* data, int size, sqlite3_int64 offset) {
    Handle& handle = self(f);
    const std::lock_guard hold(handle.vfs->mutex_);
    return handle.vfs->write(*handle.file, static_cast<const char*>(data), static_cast<std::size_t>(size),
                             static_cast<std::size_t>(offset));
  }
  static int truncate(sqlite3_file* f, sqlite3_int64 size) {
    Handle& handle = self(f);
    const std::lock_guard hold(handle.vfs->mutex_);
    return handle.vfs->truncate(*handle.file, static_cast<std::size_t>(size));
  }
  static int sync(sqlite3_file* f, int) {
    Handle& handle = self(f);
    std::unique_lock hold(handle.vfs->mutex_);
    handle.vfs->released_.wait(hold, [&] { return !handle.vfs->hold_; });
    return handle.vfs->sync(*handle.file);
  }
  static int size(sqlite3_file* f, sqlite3_int64* out) {
    Handle& handle = self(f);
    const std::lock_guard hold(handle.vfs->mutex_);
    *out = static_cast<sqlite3_int64>(handle.file->bytes.size());
    return handle.vfs->off_ ? SQLITE_IOERR_FSTAT : kOk;
  }
  static int lock(sqlite3_file*, int) { return kOk; }
  static int check_reserved(sqlite3_file*, int* out) {
    *out = 0;
    return kOk;
  }
  static int control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
  static int sector_size(sqlite3_file*) { return 4096; }
  static int characteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }  // as on Linux
  static int shm_map(sqlite3_file* f, int region, int size, int extend, void volatile** out) {
    Handle& handle = self(f);
    const std::lock_guard hold(handle.vfs->mutex_);
    auto& regions = handle.file->shared;
    const auto index = static_cast<std::size_t>(region);
    *out = nullptr;
    if (index >= regions.size() && extend == 0) return kOk;
    while (regions.size() <= index) {
      regions.push_back(std::make_unique<std::vector<char>>(static_cast<std::size_t>(size), '\0'));
    }
    *out = regions[index]->data();
    return kOk;
  }
  static int shm_lock(sqlite3_file*, int, int, int) { return kOk; }
  static void shm_barrier(sqlite3_file*) { std::atomic_thread_fence(std::memory_order_seq_cst); }
  static int shm_unmap(sqlite3_file* f, int) {
    Handle& handle = self(f);
    const std::lock_guard hold(handle.vfs->mutex_);
    handle.file->shared.clear();  // the only connection goes, so the next one finds nothing
    return kOk;
  }

  static int open(sqlite3_vfs* v, const char* path, sqlite3_file* f, int flags, int* out_flags);
  static int remove(sqlite3_vfs* v, const char* path, int sync_directory) {
    UnsyncedVfs& vfs = self(v);
    const std::lock_guard hold(vfs.mutex_);
    return vfs.remove(path, sync_directory != 0);
  }
  static int access(sqlite3_vfs* v, const char* path, int, int* out) {
    UnsyncedVfs& vfs = self(v);
    const std::lock_guard hold(vfs.mutex_);
    *out = vfs.file(path).exists ? 1 : 0;
    return vfs.off_ ? SQLITE_IOERR_ACCESS : kOk;
  }
  static int full_path(sqlite3_vfs*, const char* path, int size, char* out) {
    sqlite3_snprintf(size, out, "%s", path);
    return kOk;
  }
  static int randomness(sqlite3_vfs*, int size, char* out) { return system()->xRandomness(system(), size, out); }
  static int sleep(sqlite3_vfs*, int) { return 0; }
  static int time(sqlite3_vfs*, double* out) { return system()->xCurrentTime(system(), out); }
  static int last_error(sqlite3_vfs*, int, char*) { return 0; }

  static const sqlite3_io_methods& io() {
    static const sqlite3_io_methods methods = [] {
      sqlite3_io_methods m{};
      m.iVersion = 2;
      m.xClose = close;
      m.xRead = read;
      m.xWrite = write;
      m.xTruncate = truncate;
      m.xSync = sync;
      m.xFileSize = size;
      m.xLock = lock;
      m.xUnlock = lock;
      m.xCheckReservedLock = check_reserved;
      m.xFileControl = control;
      m.xSectorSize = sector_size;
      m.xDeviceCharacteristics = characteristics;
      m.xShmMap = shm_map;
      m.xShmLock = shm_lock;
      m.xShmBarrier = shm_barrier;
      m.xShmUnmap = shm_unmap;
      return m;
    }();
    return methods;
  }
};

int UnsyncedVfs::Methods::open(sqlite3_vfs* v, const char* path, sqlite3_file* f, int flags, int* out_flags) {
  UnsyncedVfs& vfs = self(v);
  const std::lock_guard hold(vfs.mutex_);
  f->pMethods = nullptr;
  if (vfs.off_) return SQLITE_CANTOPEN;
  File& file = vfs.file(path ? path : "temporary-" + std::to_string(++vfs.temporary_));
  if (!file.exists && (flags & SQLITE_OPEN_CREATE) == 0) return SQLITE_CANTOPEN;
  file.exists = true;
  Handle& handle = self(f);
  handle.vfs = &vfs;
  handle.file = &file;
  handle.base.pMethods = &io();
  if (out_flags) *out_flags = flags;
  return kOk;
}

UnsyncedVfs::UnsyncedVfs() {
  static std::atomic<int> next = 0;
  name_ = "unsynced-" + std::to_string(++next);
  vfs_.iVersion = 1;
  vfs_.szOsFile = sizeof(Handle);
  vfs_.mxPathname = 1024;
  vfs_.zName = name_.c_str();
  vfs_.pAppData = this;
  vfs_.xOpen = Methods::open;
  vfs_.xDelete = Methods::remove;
  vfs_.xAccess = Methods::access;
  vfs_.xFullPathname = Methods::full_path;
  vfs_.xRandomness = Methods::randomness;
  vfs_.xSleep = Methods::sleep;
  vfs_.xCurrentTime = Methods::time;
  vfs_.xGetLastError = Methods::last_error;
  sqlite3_vfs_register(&vfs_, 0);
}

UnsyncedVfs::~UnsyncedVfs() { sqlite3_vfs_unregister(&vfs_); }

UnsyncedVfs::File& UnsyncedVfs::file(const std::string& name) {
  auto& slot = files_[name];
  if (!slot) {
    slot = std::make_unique<File>();
    slot->name = name;
  }
  return *slot;
}

int UnsyncedVfs::begin_change() {
  if (off_) return SQLITE_IOERR;
  ++operations_;
  if (operations_ == cut_at_) {
    off_ = true;
    return SQLITE_IOERR;
  }
  return operations_ == fail_at_ ? SQLITE_IOERR : kOk;
}

int UnsyncedVfs::write(File& file, const char* data, std::size_t size, std::size_t offset) {
  if (begin_change() != kOk) return SQLITE_IOERR_WRITE;
  if (full_ && offset + size > file.bytes.size()) return SQLITE_FULL;
  put_bytes(file.bytes, offset, data, size);
  file.pending.push_back({offset, std::vector<char>(data, data + size), false});
  return kOk;
}

int UnsyncedVfs::truncate(File& file, std::size_t size) {
  if (begin_change() != kOk) return SQLITE_IOERR_TRUNCATE;
  if (size < file.bytes.size()) file.bytes.resize(size);
  file.pending.push_back({size, {}, true});
  return kOk;
}

int UnsyncedVfs::sync(File& file) {
  if (begin_change() != kOk) return SQLITE_IOERR_FSYNC;
  file.durable = file.bytes;
  file.durable_exists = true;
  file.pending.clear();
  ++file.syncs;
  return kOk;
}

int UnsyncedVfs::remove(const std::string& name, bool sync_directory) {
  if (begin_change() != kOk) return SQLITE_IOERR_DELETE;
  File& gone = file(name);
  if (!gone.exists) return SQLITE_IOERR_DELETE_NOENT;
  gone.exists = false;
  gone.bytes.clear();
  gone.pending.clear();
  if (sync_directory) {
    gone.durable_exists = false;
    gone.durable.clear();
  }
  return kOk;
}

void UnsyncedVfs::cut_power_at(std::uint64_t number) {
  const std::lock_guard hold(mutex_);
  cut_at_ = number;
}

void UnsyncedVfs::cut_power() {
  const std::lock_guard hold(mutex_);
  off_ = true;
}

bool UnsyncedVfs::is_off() const {
  const std::lock_guard hold(mutex_);
  return off_;
}

void UnsyncedVfs::power_on(Survival survival, Random& random) {
  const std::lock_guard hold(mutex_);
  const auto survives = [&] {
    return survival == Survival::everything || (survival == Survival::some && random.chance(500));
  };
  for (auto& [name, slot] : files_) {
    File& f = *slot;
    if (survival == Survival::everything) {
      f.durable = f.bytes;
      f.durable_exists = f.exists;
    } else {
      for (const Pending& change : f.pending) {
        if (change.is_truncate) {
          if (survives() && change.offset < f.durable.size()) f.durable.resize(change.offset);
          continue;
        }
        for (std::size_t at = 0; at < change.bytes.size();) {
          const std::size_t end = std::min(change.bytes.size(), at + kSector - (change.offset + at) % kSector);
          if (survives()) {
            put_bytes(f.durable, change.offset + at, change.bytes.data() + at, end - at);
            f.durable_exists = true;
          }
          at = end;
        }
      }
    }
    f.bytes = f.durable;
    f.exists = f.durable_exists;
    f.pending.clear();
    f.shared.clear();
  }
  off_ = false;
  cut_at_ = 0;
}

void UnsyncedVfs::fail_at(std::uint64_t number) {
  const std::lock_guard hold(mutex_);
  fail_at_ = number;
}

void UnsyncedVfs::set_full(bool full) {
  const std::lock_guard hold(mutex_);
  full_ = full;
}

void UnsyncedVfs::hold_syncs(bool hold_them) {
  {
    const std::lock_guard hold(mutex_);
    hold_ = hold_them;
  }
  released_.notify_all();
}

std::uint64_t UnsyncedVfs::operations() const {
  const std::lock_guard hold(mutex_);
  return operations_;
}

std::uint64_t UnsyncedVfs::syncs(const std::string& suffix) const {
  const std::lock_guard hold(mutex_);
  std::uint64_t count = 0;
  for (const auto& [name, slot] : files_) {
    if (name.ends_with(suffix)) count += slot->syncs;
  }
  return count;
}

}  // namespace sandboxd::test
