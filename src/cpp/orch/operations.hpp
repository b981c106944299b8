// What operators ask of a running control plane: is it ready, and how is it doing. Core thread.
#pragma once

#include "aio/notifier.hpp"
#include "aio/task_group.hpp"
#include "base/histogram.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "model/node.hpp"
#include "model/sandbox.hpp"
#include "ports/clock.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <cstdint>
#include <map>

namespace sandboxd::orch {

class Engine;

// A moment's figures. The counters grow from the start of this process on.
struct Figures {
  std::map<model::Phase, std::size_t> sandboxes;
  std::map<model::NodeState, std::size_t> nodes;
  std::size_t nodes_cordoned = 0;
  std::size_t damaged_sandboxes = 0;  // records that could not be read and were kept aside
  std::size_t damaged_nodes = 0;
  std::uint64_t turns = 0;
  std::uint64_t commits = 0;
  std::uint64_t failed_commits = 0;
  std::uint64_t commands = 0;
  std::uint64_t observations = 0;
  std::uint64_t placements = 0;
  Histogram commit_time;
  std::size_t inbox = 0;    // commands and observations that wait for a turn
  std::size_t held = 0;     // observations that wait for the database
  std::size_t waiting = 0;  // sandboxes that wait for capacity
  std::size_t calls_to_nodes = 0;
  std::size_t watchers = 0;
  std::int64_t revision = 0;
};

class Operations {
 public:
  // Both outlive this object.
  Operations(boost::asio::any_io_executor executor, Engine& engine, ports::Clock& clock);

  // The engine has just finished a turn with a commit to the database. The answer of the last second serves everybody
  // who asks, so that asking costs nothing. Errors: storage_failed, unavailable (stopping), deadline_exceeded (no turn
  // within two seconds), each with a reason for humans.
  [[nodiscard]] Task<Result<void>> check_ready();
  [[nodiscard]] Figures figures() const;
  [[nodiscard]] std::size_t damaged_records() const;

  // After the engine has stopped.
  [[nodiscard]] Task<void> join();

 private:
  [[nodiscard]] Task<void> probe();
  [[nodiscard]] Task<Result<void>> until_probed();

  Engine* engine_;
  ports::Clock* clock_;
  aio::Notifier probed_;
  aio::TaskGroup probes_;
  bool is_probing_ = false;
  MonoTime asked_at_;  // the probe under way
  bool has_answer_ = false;
  MonoTime answered_at_;
  Result<void> answer_;
};

}  // namespace sandboxd::orch
