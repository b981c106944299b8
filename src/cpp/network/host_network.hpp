// The sandboxes' network on this machine: a bridge, namespaces with one veth each, and an nftables firewall.
//
// What is denied, and where: three tables named sandboxd_<instance> (see ruleset.hpp for every rule and its reason).
// Nothing is allowed until set_egress() or publish() adds set elements, so a slot is denied before its first process
// without a rule of its own. `bridge` and `netdev` tables pass only frames whose port, MAC and IPv4 address belong
// together, and only after make_slot() bound them.
//
// Our tables decide for themselves only: a packet that we accept can still be dropped by another program's table at the
// same hook. Where that program offers a chain for it (Docker's DOCKER-USER, or iptables' FORWARD), the chains named in
// `forward_hook_chains` get two accepting rules for our bridge, again whenever they lack them. A zone-based firewall
// (firewalld) needs the bridge in a trusted zone.
//
// What is found again after a restart: namespaces by their names, everything else from the kernel's own tables, so
// there is no file to be out of date. The ledger (ledger.hpp) mirrors the tables' elements in memory; when another
// program changes anything in the tables, they are rebuilt from it at once.
//
// Threads: methods on the core thread. libnftables has one thread of its own (its context is not thread-safe, and the
// order of batches is the order of calls); netlink and namespace work has a small pool.
#pragma once

#include "aio/blocking_pool.hpp"
#include "aio/semaphore.hpp"
#include "aio/task_group.hpp"
#include "network/address.hpp"
#include "network/ledger.hpp"
#include "network/loopback_forwarder.hpp"
#include "network/nft.hpp"
#include "network/ruleset_watch.hpp"
#include "ports/interface_provider.hpp"
#include "ports/sandbox_network.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace sandboxd::network {

struct HostNetworkOptions {
  std::string instance;  // 1-6 of [a-z0-9]; names the tables
  std::string bridge;    // interface name, at most 15 characters
  std::string subnet_cidr = "10.89.0.0/16";
  std::string slot_prefix;                       // empty: slot_prefix_of(instance)
  std::vector<std::string> dns_servers;          // IPv4; what sandboxes with egress may ask (see host_dns_servers())
  std::vector<std::string> forward_hook_chains;  // in table `ip filter`; those that do not exist are skipped
  std::string namespace_dir = "/run/netns";      // where `ip netns` looks
};

// "sbx<instance>-": ends in a character that no instance has, so "a" never matches what belongs to "ab".
[[nodiscard]] std::string slot_prefix_of(std::string_view instance);

class HostNetwork final : public ports::SandboxNetwork {
 public:
  // invalid_argument names the setting that is wrong. `provider` must outlive this, and its network must use the same
  // bridge and subnet.
  [[nodiscard]] static Result<std::unique_ptr<HostNetwork>> make(boost::asio::any_io_executor executor,
                                                                 HostNetworkOptions options,
                                                                 ports::InterfaceProvider& provider);
  ~HostNetwork() override;  // after stop(), or when the executor never runs again
  HostNetwork(const HostNetwork&) = delete;
  HostNetwork& operator=(const HostNetwork&) = delete;

  [[nodiscard]] Task<Result<void>> start() override;
  [[nodiscard]] Task<Result<ports::NetworkSlot>> make_slot(std::string name) override;
  [[nodiscard]] Task<Result<void>> destroy_slot(std::string name) override;
  [[nodiscard]] Task<Result<std::vector<ports::NetworkSlot>>> list_slots() override;
  [[nodiscard]] Task<Result<void>> set_egress(ports::NetworkSlot slot, model::EgressPolicy policy) override;
  [[nodiscard]] Task<Result<void>> check_port_free(int host_port, model::Protocol protocol) override;
  [[nodiscard]] Task<Result<void>> publish(ports::NetworkSlot slot, std::vector<model::PublishedPort> ports) override;
  [[nodiscard]] Task<Result<void>> unpublish(ports::NetworkSlot slot) override;
  [[nodiscard]] std::int64_t usable_addresses() const override;
  [[nodiscard]] std::string subnet() const override;
  [[nodiscard]] std::string bridge() const override { return options_.bridge; }

  // Ends the forwarder of 127.0.0.1 and the watch over the tables. Tables, bridge and slots stay.
  [[nodiscard]] Task<void> stop();
  // Removes every slot of the instance, the tables, our rules in other programs' chains and the bridge.
  [[nodiscard]] Task<Result<void>> teardown();

  // The bridge's own address: the sandboxes' gateway.
  [[nodiscard]] std::string gateway() const;

 private:
  HostNetwork(boost::asio::any_io_executor executor, HostNetworkOptions options, Cidr subnet,
              ports::InterfaceProvider& provider);

  // Each public method that changes the machine is one of these, run to its end whatever happens to the caller.
  [[nodiscard]] Task<Result<void>> bring_up();
  [[nodiscard]] Task<Result<ports::NetworkSlot>> assemble_slot(std::string name);
  [[nodiscard]] Task<Result<ports::NetworkSlot>> attach_and_bind(std::string name);
  [[nodiscard]] Task<Result<void>> dismantle_slot(std::string name);
  [[nodiscard]] Task<Result<void>> change_egress(ports::NetworkSlot slot, model::EgressPolicy policy);
  [[nodiscard]] Task<Result<void>> limit(ports::NetworkSlot slot, std::int64_t bits_per_second);
  [[nodiscard]] Task<Result<void>> open_ports(ports::NetworkSlot slot, std::vector<model::PublishedPort> ports);
  [[nodiscard]] Task<Result<void>> close_ports(ports::NetworkSlot slot);
  [[nodiscard]] Task<Result<void>> remove_everything();

  // Makes the kernel agree with a change of the ledger, in one atomic batch. When the kernel refuses, because its
  // tables are not what the ledger says, everything is rebuilt; when that fails too, the ledger takes the change back.
  [[nodiscard]] Task<Result<void>> apply(Change change);
  // Replaces the tables by what rules and ledger say, in one transaction, and renews the hooks.
  [[nodiscard]] Task<Result<void>> rebuild();
  [[nodiscard]] Task<Result<void>> set_hooks(std::vector<std::string> chains);
  [[nodiscard]] Task<Result<void>> adopt_tables();
  [[nodiscard]] Task<void> watch_tables(std::shared_ptr<RulesetWatch> watch);
  [[nodiscard]] Task<void> repair();
  [[nodiscard]] Task<void> restore_hooks(std::string program);

  [[nodiscard]] Result<void> check_name(const std::string& name) const;
  [[nodiscard]] Result<void> check_slot(const ports::NetworkSlot& slot) const;
  [[nodiscard]] Result<void> take_host_ports(const ports::NetworkSlot& slot,
                                             const std::vector<model::PublishedPort>& ports);
  [[nodiscard]] std::string namespace_path(const std::string& name) const;
  [[nodiscard]] Ipv4 gateway_address() const { return subnet_.at(1); }

  boost::asio::any_io_executor executor_;
  HostNetworkOptions options_;
  std::string table_;
  Cidr subnet_;
  ports::InterfaceProvider& provider_;
  Ledger ledger_;
  std::map<std::string, std::int64_t> limits_;  // by slot, as far as this process knows; see bandwidth.hpp
  Nft nft_;                                     // used on nft_pool_ only
  aio::BlockingPool nft_pool_;                  // one thread
  aio::BlockingPool system_pool_;
  aio::TaskGroup tasks_;
  LoopbackForwarder forwarder_;
  bool enforced_ = false;  // between start() and teardown()
  bool watching_ = false;
  std::int64_t repairs_ = 0;  // of what other programs did to the tables
};

}  // namespace sandboxd::network
