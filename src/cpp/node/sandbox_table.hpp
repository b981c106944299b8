// The node's sandboxes: in memory for everybody, on disk before anybody hears of a change.
//
// An entry lives from the acceptance of a create to the end of the deletion. Coroutines that work on it hold it by
// shared_ptr; `gone` tells them that it left the table. Core thread only.
#pragma once

#include "aio/notifier.hpp"
#include "aio/semaphore.hpp"
#include "aio/task_group.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "model/node_sandbox.hpp"
#include "node/restart_policy.hpp"
#include "node/shown.hpp"
#include "ports/clock.hpp"
#include "ports/node_store.hpp"
#include "ports/output_collector.hpp"
#include "ports/sandbox_network.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sandboxd::node {

class LogFollow;

// What the restart policy is doing with a running sandbox (node/restarter.hpp).
struct Restarts {
  std::set<std::size_t> under_way;           // containers, by index, between an end and their next start
  bool of_all = false;                       // the whole sandbox is being made again
  std::uint64_t remade = 0;                  // how often that was begun: what an earlier one left undone is void
  std::map<std::string, BackOff> back_offs;  // by container name; "" for the whole
};

struct Entry {
  explicit Entry(const boost::asio::any_io_executor& on)
      : executor(on), work(std::make_shared<aio::TaskGroup>(on)), writing(on, 1), tearing_down(on, 1), changed(on) {}

  boost::asio::any_io_executor executor;
  model::NodeSandbox record;      // changed by SandboxTable::change() only
  Shown shown;                    // emptied with every change of the record
  ports::NetworkSlot slot;        // of record.slot, once it is known to exist
  bool accepted = false;          // the record is durable
  bool holds = true;              // counts in admission: CPU, memory, ports, an address
  bool started = false;           // all containers' processes were started
  bool ending = false;            // an exit or a failure is being handled
  bool stand_in = false;          // its record was damaged (ports/damaged_record.hpp): what it has is left alone
  bool redoing = false;           // what an earlier run left is being taken down; its exits mean nothing
  std::uint64_t alive_since = 0;  // AgentCore::looks when it came to run
  bool unsaved = false;           // the record on disk is older than the one here
  bool gone = false;              // left the table
  std::string obstacle;           // why its creation had to begin again; empty when it got past that

  std::map<std::string, int> exits;     // container key -> exit code, as events told
  std::set<std::string> out_of_memory;  // container keys

  // Learned while it is made; part of the record once it runs. By container key.
  std::map<std::string, ports::OutputPipes> pipes;
  std::map<std::string, std::uint32_t> pids;
  struct Image {
    std::string reference;
    std::string digest;
  };
  std::map<std::string, Image> images;
  std::multiset<std::string> awaited_images;  // as the request names them

  Restarts restarts;
  std::int64_t order = 0;  // as in the record, which gets them with its next change
  bool own_wish = false;
  std::int64_t end_sightings = 0;  // comparisons that found it ended; from the first one on, for reaping
  MonoTime end_seen;

  // The provisioning, restarts, pauses; cancelled by the sandbox's end. A new one for each life: a cancelled group
  // stays so. end_work() ends it.
  std::shared_ptr<aio::TaskGroup> work;
  aio::Semaphore writing;       // one change of the record at a time
  aio::Semaphore tearing_down;  // one clean-up at a time
  aio::Notifier changed;        // accepted, output opened, announced, released, gone

  std::vector<std::weak_ptr<LogFollow>> log_follows;  // who reads its log as it grows (log_reader.hpp)

  [[nodiscard]] const SandboxId& id() const { return record.id; }
};
using EntryPtr = std::shared_ptr<Entry>;

// Returns when nothing is under way for the sandbox any more.
[[nodiscard]] Task<void> end_work(EntryPtr entry);
// Forgets the life that is over: what was learned of it by its containers' keys, which the next one has again.
void begin_life(Entry& entry);
// How a container shows whose sandbox is started again.
void begin_again(model::NodeContainer& container);

// Those who follow its log get what is there, and then the end.
void end_log_follows(Entry& entry);

struct Usage {
  std::int64_t cpu_milli = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t addresses = 0;
};

class SandboxTable {
 public:
  using PortKey = std::pair<int, model::Protocol>;
  // Changes a copy of the record; false: the change no longer applies.
  using Edit = std::function<bool(model::NodeSandbox&)>;

  SandboxTable(boost::asio::any_io_executor executor, ports::Clock& clock, ports::NodeStore& store);

  [[nodiscard]] EntryPtr find(const SandboxId& id) const;
  [[nodiscard]] EntryPtr find_by_container(const std::string& key) const;
  // Whether the key of any container starts so.
  [[nodiscard]] bool has_container_with(const std::string& prefix) const;
  [[nodiscard]] bool owns_slot(const std::string& name) const { return slots_.contains(name); }
  [[nodiscard]] const EntryPtr* port_holder(PortKey port) const;
  [[nodiscard]] const std::map<SandboxId, EntryPtr>& entries() const { return entries_; }
  [[nodiscard]] const Usage& usage() const { return usage_; }

  // Puts a record under its id, which must be free, and counts its resources unless `holds` is false.
  EntryPtr insert(model::NodeSandbox record, bool holds);
  // Counts the entry's CPU, memory, ports and address, which must be free. Idempotent.
  void hold(const EntryPtr& entry);
  // Gives them back. Idempotent.
  void release(Entry& entry);
  // Takes the entry out, releases it and wakes who waits on it.
  void erase(const EntryPtr& entry);

  // Durable, then visible. `updated_at` is set here. Errors: cancelled (the edit refused), storage_failed.
  [[nodiscard]] Task<Result<void>> change(EntryPtr entry, Edit edit);
  // As change(), but visible even when the disk refuses: for facts that happened anyhow. save_pending() retries.
  [[nodiscard]] Task<Result<void>> observe(EntryPtr entry, Edit edit);
  [[nodiscard]] Task<void> save_pending();

  // Lives that were deleted, by uid.
  [[nodiscard]] bool is_tombstoned(const std::string& uid) const { return tombstones_.contains(uid); }
  void remember(const ports::Tombstone& tombstone);
  // Erases the record (if any) and remembers the life, durably.
  [[nodiscard]] Task<Result<void>> bury(ports::Tombstone tombstone);
  [[nodiscard]] Task<void> forget_tombstones(Duration older_than);

 private:
  Task<Result<void>> write(EntryPtr entry, Edit edit, bool visible_anyhow);
  void index(const EntryPtr& entry, bool add);

  boost::asio::any_io_executor executor_;
  ports::Clock& clock_;
  ports::NodeStore& store_;
  std::map<SandboxId, EntryPtr> entries_;
  std::map<std::string, EntryPtr> containers_;  // by runtime key
  std::set<std::string> slots_;                 // names that records own
  std::map<PortKey, EntryPtr> ports_;
  std::map<std::string, WallTime> tombstones_;
  Usage usage_;
};

}  // namespace sandboxd::node
