// What the parts of the agent share: its ports, its state and how changes are announced. Built and owned by Agent; the
// parts hold a reference and never outlive it. Core thread only.
#pragma once

#include "aio/semaphore.hpp"
#include "aio/task_group.hpp"
#include "base/random.hpp"
#include "node/admission.hpp"
#include "node/agent.hpp"
#include "node/recent_images.hpp"
#include "node/sandbox_table.hpp"
#include "node/slot_pool.hpp"
#include "node/watch_hub.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::node {

struct AgentCore {
  AgentCore(boost::asio::any_io_executor executor_in, AgentPorts ports_in, AgentOptions options_in);

  // Tells the step observer.
  void reached(std::string_view step, const SandboxId& sandbox) const;
  // Of the images that the sandbox's creation waits for.
  [[nodiscard]] std::vector<model::PullProgress> pulls_of(const Entry& entry) const;
  // Sends the sandbox's status to the watchers, and a report when the resources changed.
  void announce(Entry& entry);
  void announce_gone(const SandboxId& id, const std::string& uid);
  // Everything; announce_report() leaves out the images when they are as they were.
  [[nodiscard]] model::NodeReport report() const;
  void announce_report();

  boost::asio::any_io_executor executor;
  AgentPorts ports;
  AgentOptions options;
  Capacity capacity;
  Random random;
  std::string boot_id;
  SandboxTable table;
  SlotPool pool;
  WatchHub hub;
  RecentImages images;
  std::function<Task<void>(std::string key)> save_output;  // of a container's commands, before it is killed
  aio::Semaphore making;                                   // sandboxes whose containers are being made
  std::optional<Error> runtime_down;
  bool stopping = false;      // broken streams are our own doing
  bool loaded = false;        // the records are in the table
  bool converged = false;     // they were compared with the machine
  bool unsure = false;        // a damaged record does not tell whose it was: what nobody owns may be its sandbox's
  bool pool_adopted = false;  // free slots of an earlier run were taken over
  std::uint64_t looks = 0;    // comparisons with the machine so far
  Usage reported;
  aio::TaskGroup tasks;  // everything but the provisioning
};

// Whether the containers of the sandbox have an in-sandbox agent.
[[nodiscard]] inline bool has_agent(const AgentCore& core, const Entry& entry) {
  return core.ports.guests != nullptr && entry.record.spec.agent;
}

}  // namespace sandboxd::node
