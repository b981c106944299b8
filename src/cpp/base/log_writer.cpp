#include "base/log_writer.hpp"

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>
#include <unistd.h>
#include <utility>

namespace sandboxd {
namespace {

using std::chrono::milliseconds;

constexpr auto kGather = milliseconds(10);  // lines that come close together are written together
constexpr auto kSyncEvery = std::chrono::seconds(1);
constexpr auto kLeaveAfter = std::chrono::seconds(2);

// Lines in the form in which they are written: one text a destination.
struct Batch {
  std::string out;
  std::string error;
  std::string file;
  [[nodiscard]] bool empty() const { return out.empty() && error.empty(); }
  [[nodiscard]] std::size_t size() const { return out.size() + error.size(); }
};

}  // namespace

struct LogWriter::Shared {
  explicit Shared(Options o) : options(std::move(o)), owner(::getpid()) {}

  [[nodiscard]] bool wants_now() const { return urgent || stopping || waiting.size() > options.queue_bytes_max / 2; }

  Options options;
  const pid_t owner;  // a child of fork() has this object, but not its thread
  std::mutex mutex;
  std::condition_variable arrived;
  std::condition_variable written;
  Batch waiting;
  std::uint64_t flushes_asked = 0;
  std::uint64_t flushes_done = 0;
  std::uint64_t bulk_drops = 0;
  std::uint64_t other_drops = 0;
  std::uint64_t told_bulk = 0;
  std::uint64_t told_other = 0;
  bool urgent = false;
  bool stopping = false;
  bool ended = false;

  // The writing thread's own.
  bool unsynced = false;
  bool file_failed = false;
  std::chrono::steady_clock::time_point synced_at;

  void write(Batch& batch);
  void write_file(const std::string& text);
  void sync_when_due(std::chrono::steady_clock::time_point now);
  void tell_drops();
};

// With the mutex held.
void LogWriter::Shared::tell_drops() {
  const std::uint64_t bulk = bulk_drops - std::exchange(told_bulk, bulk_drops);
  const std::uint64_t other = other_drops - std::exchange(told_other, other_drops);
  if ((bulk == 0 && other == 0) || !options.drops_line) return;
  const std::string line = options.drops_line(bulk, other) + "\n";
  waiting.out += line;
  if (options.file) waiting.file += line;
}

void LogWriter::Shared::write_file(const std::string& text) {
  const auto appended = options.file->append(text, options.now());
  unsynced = true;
  if (!appended && !std::exchange(file_failed, true)) {
    // There is no better place to say it.
    static_cast<void>(
        write_all(options.error_fd, "{\"level\":\"error\",\"msg\":\"the log file cannot be written\"}\n"));
  }
  if (appended) file_failed = false;
}

void LogWriter::Shared::write(Batch& batch) {
  if (!batch.file.empty()) write_file(batch.file);  // first: it is not the one that may block
  if (!batch.error.empty()) static_cast<void>(write_all(options.error_fd, batch.error));
  if (!batch.out.empty()) static_cast<void>(write_all(options.out_fd, batch.out));
}

void LogWriter::Shared::sync_when_due(std::chrono::steady_clock::time_point now) {
  if (!unsynced || now - synced_at < kSyncEvery) return;
  options.file->sync();
  unsynced = false;
  synced_at = now;
}

LogWriter::LogWriter(Options options) : shared_(std::make_shared<Shared>(std::move(options))) {
  std::thread([shared = shared_] { run(shared); }).detach();
}

LogWriter::~LogWriter() {
  if (::getpid() != shared_->owner) return;
  std::unique_lock lock(shared_->mutex);
  shared_->stopping = true;
  shared_->arrived.notify_all();
  shared_->written.wait_for(lock, kLeaveAfter, [&] { return shared_->ended; });
}

void LogWriter::run(const std::shared_ptr<Shared>& shared) {
  // A reader of our output that has gone costs the lines, and not the process.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  Shared& s = *shared;
  std::unique_lock lock(s.mutex);
  const auto has_work = [&] { return !s.waiting.empty() || s.stopping || s.flushes_asked > s.flushes_done; };
  while (!s.stopping || !s.waiting.empty()) {
    if (s.unsynced) {
      s.arrived.wait_for(lock, kSyncEvery, has_work);
    } else {
      s.arrived.wait(lock, has_work);
    }
    s.arrived.wait_for(lock, kGather, [&] { return s.wants_now() || s.waiting.empty(); });
    s.tell_drops();
    Batch batch = std::exchange(s.waiting, {});
    const std::uint64_t asked = s.flushes_asked;
    s.urgent = false;
    lock.unlock();
    s.write(batch);
    s.sync_when_due(std::chrono::steady_clock::now());
    lock.lock();
    s.flushes_done = asked;
    s.written.notify_all();
  }
  if (s.unsynced) s.options.file->sync();
  s.ended = true;
  s.written.notify_all();
}

bool LogWriter::put(std::string_view line, Kind kind) {
  Shared& s = *shared_;
  const std::scoped_lock lock(s.mutex);
  const std::size_t limit = kind == Kind::bulk ? s.options.queue_bytes_max / 2 : s.options.queue_bytes_max;
  if (s.waiting.size() + line.size() + 1 > limit) {
    ++(kind == Kind::bulk ? s.bulk_drops : s.other_drops);
    return false;
  }
  const bool was_empty = s.waiting.empty();
  for (std::string* text : {kind == Kind::error ? &s.waiting.error : &s.waiting.out, &s.waiting.file}) {
    if (text == &s.waiting.file && !s.options.file) continue;
    text->append(line);
    text->push_back('\n');
  }
  s.urgent = s.urgent || kind == Kind::error;
  if (was_empty || s.wants_now()) s.arrived.notify_one();
  return true;
}

void LogWriter::flush(Duration patience) {
  Shared& s = *shared_;
  if (::getpid() != s.owner) return;
  std::unique_lock lock(s.mutex);
  const std::uint64_t mine = ++s.flushes_asked;
  s.urgent = true;
  s.arrived.notify_one();
  s.written.wait_for(lock, patience, [&] { return s.flushes_done >= mine || s.ended; });
}

std::uint64_t LogWriter::bulk_drops() const {
  const std::scoped_lock lock(shared_->mutex);
  return shared_->bulk_drops;
}

std::uint64_t LogWriter::other_drops() const {
  const std::scoped_lock lock(shared_->mutex);
  return shared_->other_drops;
}

}  // namespace sandboxd
