// The sandboxes' network without a kernel: deterministic, for tests and the simulator.
//
// MemoryNetworkMachine is what a kernel would keep: slots, policies, open ports. It outlives the MemoryNetwork that
// works on it, so a simulated node agent can die and start again. What only lives in a process (the forwarder of
// 127.0.0.1) is kept by the MemoryNetwork and is lost with it.
//
// Time passes through the given clock; a failure is planned with fail(). Every method checks the machine's invariants
// (violations() lists what broke: a port with two owners, a port or policy of a slot that does not exist, two slots
// with one address). One thread.
#pragma once

#include "ports/clock.hpp"
#include "ports/sandbox_network.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sandboxd::sim {

struct MemoryNetworkOptions {
  std::string slot_prefix = "sbx0-";
  std::string bridge = "sbx-br0";
  std::uint32_t addresses = 1000;  // 10.89.0.2 onwards; at most 65533
  Duration make_latency = std::chrono::milliseconds(10);
  Duration destroy_latency = std::chrono::milliseconds(5);
  Duration rule_latency = std::chrono::milliseconds(1);
};

class MemoryNetworkMachine {
 public:
  struct Slot {
    std::string ip;  // empty: half made
    bool bound = false;
    model::EgressPolicy egress;
    std::vector<model::PublishedPort> ports;
  };
  using HostPort = std::pair<int, model::Protocol>;

  std::map<std::string, Slot> slots;       // by name
  std::set<std::string> given;             // the addresses of slots
  std::map<HostPort, std::string> owners;  // of published ports: slot name
  std::set<HostPort> foreign_ports;        // held by other programs; tests fill this
  std::uint32_t next_address = 0;

  // What is wrong, in sentences; empty when all is well.
  [[nodiscard]] std::vector<std::string> violations() const;
  // Can traffic that enters host port `port` reach the slot's `container_port`?
  [[nodiscard]] bool is_open(const std::string& slot, const model::PublishedPort& port) const;
};

class MemoryNetwork final : public ports::SandboxNetwork {
 public:
  // `clock` must outlive this.
  MemoryNetwork(ports::Clock& clock, std::shared_ptr<MemoryNetworkMachine> machine, MemoryNetworkOptions options);

  // The `nth` call (from 1, counted from now) of `method` ("make_slot", "publish", ...) fails with `error`.
  void fail(std::string method, int nth, Error error);
  [[nodiscard]] MemoryNetworkMachine& machine() { return *machine_; }
  // Does this process forward 127.0.0.1:<port>?
  [[nodiscard]] bool forwards(int host_port, model::Protocol protocol) const;

  [[nodiscard]] Task<Result<void>> start() override;
  [[nodiscard]] Task<Result<ports::NetworkSlot>> make_slot(std::string name) override;
  [[nodiscard]] Task<Result<void>> destroy_slot(std::string name) override;
  [[nodiscard]] Task<Result<std::vector<ports::NetworkSlot>>> list_slots() override;
  [[nodiscard]] Task<Result<void>> set_egress(ports::NetworkSlot slot, model::EgressPolicy policy) override;
  [[nodiscard]] Task<Result<void>> check_port_free(int host_port, model::Protocol protocol) override;
  [[nodiscard]] Task<Result<void>> publish(ports::NetworkSlot slot, std::vector<model::PublishedPort> ports) override;
  [[nodiscard]] Task<Result<void>> unpublish(ports::NetworkSlot slot) override;
  [[nodiscard]] std::int64_t usable_addresses() const override { return options_.addresses; }
  [[nodiscard]] std::string subnet() const override { return "10.89.0.0/16"; }
  [[nodiscard]] std::string bridge() const override { return options_.bridge; }

 private:
  [[nodiscard]] Result<void> planned_failure(const std::string& method);
  [[nodiscard]] Result<void> known_slot(const ports::NetworkSlot& slot) const;
  [[nodiscard]] Result<void> check_name(const std::string& name) const;
  [[nodiscard]] Result<void> check_free(const MemoryNetworkMachine::HostPort& port, const std::string& slot) const;
  [[nodiscard]] Result<std::string> take_address();
  void close_ports(const std::string& name);

  ports::Clock& clock_;
  std::shared_ptr<MemoryNetworkMachine> machine_;
  MemoryNetworkOptions options_;
  std::map<std::string, std::vector<std::pair<int, Error>>> failures_;  // by method: calls still to come, error
  std::set<MemoryNetworkMachine::HostPort> forwarded_;
};

}  // namespace sandboxd::sim
