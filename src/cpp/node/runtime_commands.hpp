// Commands in containers that have no in-sandbox agent: the runtime starts them, and what an agent would keep of them
// is here.
//
// So they do not outlive the node agent: what runs when it ends is killed at its next start, and its output is lost.
// Core thread only.
#pragma once

#include "aio/notifier.hpp"
#include "aio/task_group.hpp"
#include "node/output_ring.hpp"
#include "ports/clock.hpp"
#include "ports/guest_commands.hpp"
#include "ports/runtime_exec.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sandboxd::node {

struct RuntimeCommand {
  RuntimeCommand(const boost::asio::any_io_executor& executor, const model::CommandSpec& spec)
      : out(spec.keep_bytes, spec.wait_for_reader), err(spec.keep_bytes, spec.wait_for_reader), changed(executor) {}

  [[nodiscard]] bool is_paused() const { return out_waits || err_waits; }
  [[nodiscard]] ports::GuestCommandState state_now() const;

  ports::GuestCommandState state;
  OutputRing out;
  OutputRing err;
  std::shared_ptr<ports::RuntimeProcess> process;  // none: it could not be run
  int streams_open = 0;
  bool out_waits = false;  // for a reader to make room
  bool err_waits = false;
  bool has_consumer = false;
  bool has_writer = false;
  int last_signal = 0;  // sent by us
  aio::Notifier changed;
};
using RuntimeCommandPtr = std::shared_ptr<RuntimeCommand>;

class RuntimeCommands final : public ports::GuestCommands {
 public:
  RuntimeCommands(boost::asio::any_io_executor executor, ports::Clock& clock, aio::TaskGroup& tasks,
                  ports::RuntimeExec& exec)
      : executor_(executor), clock_(clock), tasks_(tasks), exec_(exec), told_(executor) {}

  // Ends what an earlier run of the node agent left, as soon as the runtime answers.
  [[nodiscard]] Task<void> end_left();

  [[nodiscard]] Task<Result<ports::GuestEvent>> next_event() override;
  // What cannot be run ends with 127 or 126 and the reason on its stderr. Errors: as ports::RuntimeExec.
  [[nodiscard]] Task<Result<ports::GuestCommandState>> start(std::string key, model::CommandSpec spec) override;
  [[nodiscard]] Task<Result<std::vector<ports::GuestCommandState>>> commands(std::string key) override;
  [[nodiscard]] Task<Result<std::unique_ptr<ports::GuestAttachment>>> attach(std::string key,
                                                                             ports::GuestAttach how) override;
  [[nodiscard]] Task<Result<void>> signal(std::string key, std::string command, int number, bool group) override;
  [[nodiscard]] Task<Result<void>> resize(std::string key, std::string command, model::TerminalSize size) override;
  [[nodiscard]] Task<Result<void>> drop(std::string key, std::string command) override;

 private:
  using Key = std::pair<std::string, std::string>;  // container key, command id

  [[nodiscard]] Result<RuntimeCommandPtr> find(const std::string& key, const std::string& command) const;
  [[nodiscard]] Result<RuntimeCommandPtr> running(const std::string& key, const std::string& command) const;
  Task<Result<ports::GuestCommandState>> start_now(std::string key, model::CommandSpec spec);
  Task<void> read_stream(RuntimeCommandPtr command, bool is_stderr);
  Task<void> watch(std::string key, RuntimeCommandPtr command, Duration timeout);
  Task<Result<void>> last_output(RuntimeCommandPtr command);
  void unstarted(const std::string& key, const RuntimeCommandPtr& command, const Error& why);
  void set_over(const std::string& key, const RuntimeCommandPtr& command);

  boost::asio::any_io_executor executor_;
  ports::Clock& clock_;
  aio::TaskGroup& tasks_;
  ports::RuntimeExec& exec_;
  std::map<Key, RuntimeCommandPtr> commands_;
  std::map<std::string, std::size_t> per_container_;
  std::deque<ports::GuestEvent> events_;
  aio::Notifier told_;
};

}  // namespace sandboxd::node
