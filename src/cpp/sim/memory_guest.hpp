// In-sandbox agents in memory: containers whose commands end when a test says so.
//
// A GuestMachine outlives the node agents that look at it, as containers do. Files, ports and processes are not there:
// those calls fail with `unsupported`.
#pragma once

#include "aio/notifier.hpp"
#include "ports/guest_agents.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace sandboxd::sim {

struct GuestMachine {
  explicit GuestMachine(boost::asio::any_io_executor executor) : changed(executor) {}

  struct Command {
    model::CommandSpec spec;
    ports::GuestCommandState state;
    std::string stdout_bytes;
    std::string stderr_bytes;
    std::string stdin_bytes;
  };
  struct Container {
    bool is_connected = false;
    ports::GuestSetup setup;
    std::map<std::string, Command> commands;
  };
  std::map<std::string, Container> containers;  // by key; what has a directory
  std::deque<ports::GuestEvent> events;
  aio::Notifier changed;

  // The agent connects (again) or loses its connection.
  void connect(const std::string& key);
  void disconnect(const std::string& key);
  void print(const std::string& key, const std::string& command, std::string_view bytes, bool is_stderr = false);
  void end(const std::string& key, const std::string& command, int exit_code, WallTime at);
  void tell(ports::GuestEvent event);
};

class MemoryGuests final : public ports::GuestAgents {
 public:
  explicit MemoryGuests(std::shared_ptr<GuestMachine> machine) : machine_(std::move(machine)) {}

  [[nodiscard]] Task<Result<ports::BindMount>> prepare(std::string key) override;
  [[nodiscard]] Task<Result<void>> set_up(std::string key, ports::GuestSetup setup) override;
  [[nodiscard]] Task<Result<void>> adopt(std::string key) override;
  [[nodiscard]] Task<Result<void>> forget(std::string key) override;
  [[nodiscard]] Task<Result<std::vector<std::string>>> list() override;
  // Connects it: what a container's start does.
  [[nodiscard]] Task<Result<ports::GuestStart>> wait_connected(std::string key, Duration limit) override;
  [[nodiscard]] Task<Result<ports::GuestEvent>> next_event() override;
  [[nodiscard]] Task<Result<ports::GuestCommandState>> start(std::string key, model::CommandSpec spec) override;
  [[nodiscard]] Task<Result<std::vector<ports::GuestCommandState>>> commands(std::string key) override;
  [[nodiscard]] Task<Result<std::unique_ptr<ports::GuestAttachment>>> attach(std::string key,
                                                                             ports::GuestAttach how) override;
  [[nodiscard]] Task<Result<void>> signal(std::string key, std::string command, int number, bool group) override;
  [[nodiscard]] Task<Result<void>> resize(std::string key, std::string command, model::TerminalSize size) override;
  [[nodiscard]] Task<Result<void>> drop(std::string key, std::string command) override;

  [[nodiscard]] Task<Result<model::FileInfo>> stat(std::string, ports::GuestPath, bool) override;
  [[nodiscard]] Task<Result<std::unique_ptr<ports::GuestReader>>> read(std::string, ports::GuestPath, std::uint64_t,
                                                                       std::uint64_t) override;
  [[nodiscard]] Task<Result<std::unique_ptr<ports::GuestWriter>>> write(std::string, ports::GuestPath, std::uint32_t,
                                                                        bool) override;
  [[nodiscard]] Task<Result<std::vector<model::FileInfo>>> list_files(std::string, ports::GuestPath,
                                                                      std::uint32_t) override;
  [[nodiscard]] Task<Result<model::FileInfo>> make_directory(std::string, ports::GuestPath, std::uint32_t,
                                                             bool) override;
  [[nodiscard]] Task<Result<void>> remove(std::string, ports::GuestPath, bool) override;
  [[nodiscard]] Task<Result<model::FileInfo>> rename(std::string, ports::GuestPath, std::string) override;
  [[nodiscard]] Task<Result<std::unique_ptr<ports::GuestReader>>> pack(std::string, ports::GuestPath) override;
  [[nodiscard]] Task<Result<std::unique_ptr<ports::GuestWriter>>> unpack(std::string, ports::GuestPath) override;
  [[nodiscard]] Task<Result<std::unique_ptr<ports::GuestWatch>>> watch(std::string, ports::GuestPath, bool) override;
  [[nodiscard]] Task<Result<std::vector<ports::GuestPort>>> listening_ports(std::string) override;
  [[nodiscard]] Task<Result<std::vector<ports::GuestProcess>>> processes(std::string) override;

 private:
  [[nodiscard]] Result<GuestMachine::Command*> find(const std::string& key, const std::string& command) const;

  std::shared_ptr<GuestMachine> machine_;
};

}  // namespace sandboxd::sim
