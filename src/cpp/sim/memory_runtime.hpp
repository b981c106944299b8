// A container runtime without containers: deterministic, for tests and the simulator.
//
// MemoryRuntimeMachine is the machine: records, tasks, images, and time passing for what runs. It outlives the
// MemoryRuntime that works on it, so a simulated node agent can die at any instant and start again: containers go on,
// a create that was cut off leaves its record, and events that nobody was subscribed to are lost, as with the real one.
//
// What a container does is a Program, by default read from its arguments (default_program). Faults: fail() plans an
// error, down makes every call fail, break_events() cuts streams, plant() leaves a stray container, exit() and
// out_of_memory() end one, missing_images cannot be pulled. One thread.
#pragma once

#include "aio/notifier.hpp"
#include "aio/task_group.hpp"
#include "ports/clock.hpp"
#include "ports/sandbox_runtime.hpp"
#include "sim/memory_images.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace sandboxd::sim {

struct Program {
  std::optional<Duration> runs;  // from its start to its exit; nullopt: until it is killed
  int exit_code = 0;
  bool out_of_memory = false;  // dies of it at its end
  bool missing = false;        // no such executable: its start fails
  bool ignores_stop = false;   // goes on after ask_to_stop()
};

// Reads: `true`, `false`, `sleep SECONDS`, `dd ...` (runs out of memory), `sh -c "[sleep SECONDS; ]exit CODE"`, and a
// path below /no/such (missing). Everything else, and an image's own command, runs until it is stopped or killed;
// `stubborn` until it is killed.
[[nodiscard]] Program default_program(const ports::ContainerRequest& request);

struct MemoryRuntimeOptions {
  Duration pull_latency = std::chrono::milliseconds(300);
  Duration create_latency = std::chrono::milliseconds(40);
  Duration start_latency = std::chrono::milliseconds(20);
  Duration remove_latency = std::chrono::milliseconds(30);
  Duration call_latency = std::chrono::milliseconds(1);
  std::function<Program(const ports::ContainerRequest&)> program = default_program;
};

class MemoryRuntimeMachine {
 public:
  struct Container {
    ports::ContainerRequest request;
    ports::FoundContainer found;
    std::int64_t cpu_milli = 0;  // what it may use now; 0: no limit
    std::uint64_t life = 0;      // tells two tasks of one key apart
    std::uint64_t disk = 0;      // stands for its files: another number, other files
  };

  // `clock` must outlive this.
  MemoryRuntimeMachine(boost::asio::any_io_executor executor, ports::Clock& clock, MemoryRuntimeOptions options);

  // Planned trouble. The `nth` call (from 1, counted from now) of `method` ("check", "ensure_image", "create", "start",
  // "set_cpu_limit", "pause", "resume", "ask_to_stop", "end_task", "remove", "list", "list_images", "remove_image")
  // fails with `error`; a create that fails so leaves nothing unless `leaks`.
  void fail(std::string method, int nth, Error error, bool leaks = false);
  bool down = false;                     // the daemon does not answer
  int throwing_removes = 0;              // so many calls of remove() throw, as only an adapter's mistake would
  std::set<std::string> missing_images;  // as written, or normalised
  MemoryImages images;                   // a pull adds to them
  void break_events();
  void plant(ports::FoundContainer stray);

  // Ends a running container now; nothing for others.
  void exit(const std::string& key, int exit_code);
  void out_of_memory(const std::string& key);

  // Ends the coroutines that let time pass. Before destruction, when the executor goes on.
  [[nodiscard]] Task<void> stop();

  std::map<std::string, Container> containers;  // by key
  std::uint64_t pulls = 0;                      // how often an image was really pulled
  std::uint64_t created = 0;                    // containers ever created

 private:
  friend class MemoryRuntime;
  struct Planned {
    int remaining;
    Error error;
    bool leaks;
  };

  [[nodiscard]] std::set<std::string> images_in_use() const;
  [[nodiscard]] std::optional<Planned> take_planned(const std::string& method);
  void emit(ports::RuntimeEvent event);
  [[nodiscard]] Task<void> live(std::string key, std::uint64_t life, Program program);

  boost::asio::any_io_executor executor_;
  ports::Clock& clock_;
  MemoryRuntimeOptions options_;
  std::map<std::string, std::vector<Planned>> planned_;
  aio::TaskGroup group_;
  aio::Notifier changed_;
  std::deque<ports::RuntimeEvent> events_;  // the last ones; event number first_event_ stands in front
  std::uint64_t first_event_ = 0;
  std::uint64_t stream_ = 0;  // a new number breaks every stream
  std::uint64_t next_life_ = 1;
  std::uint64_t next_disk_ = 1;
  std::uint32_t next_pid_ = 1000;
  std::set<std::string> pulling_;
};

class MemoryRuntime final : public ports::SandboxRuntime {
 public:
  explicit MemoryRuntime(std::shared_ptr<MemoryRuntimeMachine> machine) : machine_(std::move(machine)) {}

  [[nodiscard]] MemoryRuntimeMachine& machine() { return *machine_; }

  [[nodiscard]] Task<Result<void>> check() override;
  [[nodiscard]] Task<Result<ports::ImageInfo>> ensure_image(std::string reference) override;
  [[nodiscard]] std::optional<model::PullProgress> pull_progress(const std::string& reference) const override;
  [[nodiscard]] Task<Result<std::vector<ports::StoredImage>>> list_images() override;
  [[nodiscard]] Task<Result<void>> remove_image(std::string reference) override;
  [[nodiscard]] Task<Result<void>> create(ports::ContainerRequest request) override;
  [[nodiscard]] Task<Result<std::uint32_t>> start(std::string key) override;
  [[nodiscard]] Task<Result<void>> set_cpu_limit(std::string key, std::int64_t milli) override;
  [[nodiscard]] Task<Result<void>> pause(std::string key) override;
  [[nodiscard]] Task<Result<void>> resume(std::string key) override;
  [[nodiscard]] Task<Result<void>> ask_to_stop(std::string key) override;
  [[nodiscard]] Task<Result<std::optional<int>>> end_task(std::string key) override;
  [[nodiscard]] Task<Result<void>> remove(std::string key) override;
  [[nodiscard]] Task<Result<std::vector<ports::FoundContainer>>> list() override;
  [[nodiscard]] Task<Result<ports::RuntimeEvent>> next_event() override;

 private:
  // Time passes, then the fault that was planned for the method, or that the daemon is down.
  [[nodiscard]] Task<Result<void>> enter(std::string method, Duration latency);
  void subscribe();
  [[nodiscard]] Task<Result<void>> stand(std::string method, std::string key, ports::FoundContainer::Task state);
  [[nodiscard]] Result<void> check_place(const ports::ContainerRequest& request) const;
  [[nodiscard]] Task<Result<void>> pull(std::string name);

  std::shared_ptr<MemoryRuntimeMachine> machine_;
  bool subscribed_ = false;
  std::uint64_t stream_ = 0;
  std::uint64_t next_event_ = 0;
};

}  // namespace sandboxd::sim
