// ports::OutputCollector through the log holder's process.
//
// start() finds the holder or starts one. From then on a second connection watches it: when it ends (killed, crashed),
// the next one is started at once and everything that was open is opened again; FIFOs keep their bytes meanwhile. Every
// command is idempotent and is tried again once after a lost connection. Core thread only; stop() before destruction.
#pragma once

#include "aio/blocking_pool.hpp"
#include "aio/semaphore.hpp"
#include "aio/task_group.hpp"
#include "logs/directory_watch.hpp"
#include "ports/clock.hpp"
#include "ports/output_collector.hpp"
#include "ports/process_runner.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/json/object.hpp>

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sandboxd::logs {

struct LogHolderOptions {
  std::string program;   // absolute path of sandboxd-logholder
  std::string run_dir;   // made by the caller
  std::string data_dir;  // likewise
  std::int64_t bytes_max = 16 * 1024 * 1024;
  Duration answer_timeout = std::chrono::seconds(10);
};

class LogHolderClient final : public ports::OutputCollector {
 public:
  // `clock` and `runner` outlive this.
  LogHolderClient(boost::asio::any_io_executor executor, ports::Clock& clock, ports::ProcessRunner& runner,
                  LogHolderOptions options);
  ~LogHolderClient() override;

  // The holder goes on.
  [[nodiscard]] Task<void> stop();
  // Ends the holder's process, if there is one: for tests and for taking a node out of service. stop() afterwards.
  [[nodiscard]] Task<Result<void>> shut_down_holder();

  [[nodiscard]] Task<Result<void>> start() override;
  [[nodiscard]] Task<Result<ports::OutputPipes>> open(SandboxId sandbox, std::string container) override;
  [[nodiscard]] Task<Result<void>> drain(SandboxId sandbox, std::string container) override;
  [[nodiscard]] Task<Result<void>> remove(SandboxId sandbox) override;
  [[nodiscard]] Task<Result<std::vector<SandboxId>>> list() override;
  [[nodiscard]] Task<Result<std::vector<std::string>>> read(SandboxId sandbox, std::string container) override;
  [[nodiscard]] Task<Result<std::unique_ptr<ports::OutputReader>>> follow(SandboxId sandbox,
                                                                          std::vector<std::string> containers) override;

 private:
  using Socket = boost::asio::local::stream_protocol::socket;

  Task<Result<Socket>> connect();
  Task<Result<Socket>> connect_or_launch();
  Task<Result<void>> launch();
  Task<Result<boost::json::object>> call(boost::json::object command);
  Task<Result<boost::json::object>> exchange(boost::json::object command);
  Task<Result<std::string>> send_and_receive(std::string line);
  Task<Result<void>> ensure_version();
  Task<Result<void>> open_again();
  Task<void> watch_holder();
  [[nodiscard]] boost::json::object open_command(const std::string& sandbox, const std::string& container) const;

  boost::asio::any_io_executor executor_;
  ports::Clock& clock_;
  ports::ProcessRunner& runner_;
  LogHolderOptions options_;
  aio::Semaphore calling_;    // answers come in the order of requests: one exchange at a time
  aio::Semaphore launching_;  // one start of the holder at a time
  std::unique_ptr<Socket> socket_;
  std::string received_;
  bool half_way_ = false;                                 // a request was sent and its answer not yet read
  std::set<std::pair<std::string, std::string>> opened_;  // sandbox, container
  bool stopped_ = false;
  aio::BlockingPool files_{1};
  DirectoryWatch changes_;
  aio::TaskGroup tasks_;
};

}  // namespace sandboxd::logs
