#include "network/host_network.hpp"

#include "aio/shield.hpp"
#include "network/bandwidth.hpp"
#include "network/host_setup.hpp"
#include "network/namespaces.hpp"
#include "network/rtnetlink.hpp"
#include "network/ruleset.hpp"

#include <algorithm>
#include <set>

namespace sandboxd::network {
namespace {

constexpr std::size_t kSystemThreads = 4;

bool is_word(std::string_view text, std::string_view extra, std::size_t length_max) {
  const auto good = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           extra.find(c) != std::string_view::npos;
  };
  return !text.empty() && text.size() <= length_max && std::all_of(text.begin(), text.end(), good);
}

Error bad_setting(const std::string& text) { return Error(ErrorCode::invalid_argument, text); }

Result<void> check_options(const HostNetworkOptions& options) {
  if (!is_word(options.instance, "", 6)) return bad_setting("instance must be 1 to 6 of a-z and 0-9");
  if (!is_word(options.bridge, "_.-", 15))
    return bad_setting("bridge_interface \"" + options.bridge + "\" is not the name of an interface");
  if (!is_word(options.slot_prefix, "-", 16)) return bad_setting("slot prefix \"" + options.slot_prefix + "\"");
  for (const std::string& server : options.dns_servers) {
    if (!parse_ipv4(server)) return bad_setting("dns_servers: \"" + server + "\" is not an IPv4 address");
  }
  for (const std::string& chain : options.forward_hook_chains) {
    if (!is_word(chain, "_.-", 64)) return bad_setting("forward_hook_chains: \"" + chain + "\" is not a chain's name");
  }
  return {};
}

}  // namespace

std::string slot_prefix_of(std::string_view instance) { return "sbx" + std::string(instance) + "-"; }

Result<std::unique_ptr<HostNetwork>> HostNetwork::make(boost::asio::any_io_executor executor,
                                                       HostNetworkOptions options, ports::InterfaceProvider& provider) {
  if (options.slot_prefix.empty()) options.slot_prefix = slot_prefix_of(options.instance);
  SBX_CHECK(check_options(options));
  const auto subnet = parse_cidr(options.subnet_cidr);
  if (!subnet || to_text(*subnet) != options.subnet_cidr || subnet->length < 8 || subnet->length > 29)
    return bad_setting("subnet_cidr \"" + options.subnet_cidr +
                       "\" must be an IPv4 range of /8 to /29 without host bits, such as 10.89.0.0/16");
  return std::unique_ptr<HostNetwork>(new HostNetwork(std::move(executor), std::move(options), *subnet, provider));
}

HostNetwork::HostNetwork(boost::asio::any_io_executor executor, HostNetworkOptions options, Cidr subnet,
                         ports::InterfaceProvider& provider)
    : executor_(executor),
      options_(std::move(options)),
      table_(table_name(options_.instance)),
      subnet_(subnet),
      provider_(provider),
      ledger_(table_),
      nft_pool_(1),
      system_pool_(kSystemThreads),
      tasks_(executor),
      forwarder_(executor) {}

HostNetwork::~HostNetwork() = default;

std::int64_t HostNetwork::usable_addresses() const { return subnet_.size() - 3; }  // network, gateway, broadcast
std::string HostNetwork::subnet() const { return to_text(subnet_); }
std::string HostNetwork::gateway() const { return to_text(gateway_address()); }

std::string HostNetwork::namespace_path(const std::string& name) const { return options_.namespace_dir + "/" + name; }

Result<void> HostNetwork::check_name(const std::string& name) const {
  if (is_slot_name(name, options_.slot_prefix)) return {};
  return Error(ErrorCode::invalid_argument,
               "\"" + name + "\" is not the name of a slot: " + options_.slot_prefix + " and 8 hexadecimal digits");
}

Result<void> HostNetwork::check_slot(const ports::NetworkSlot& slot) const {
  const Binding* binding = ledger_.binding(slot.name);
  if (binding != nullptr && binding->ip == slot.ip) return {};
  return Error(ErrorCode::not_found, "network slot " + slot.name + " with the address " + slot.ip + " does not exist");
}

Task<Result<void>> HostNetwork::start() { co_return co_await aio::shield(bring_up()); }

Task<Result<ports::NetworkSlot>> HostNetwork::make_slot(std::string name) {
  SBX_CO_CHECK(check_name(name));
  co_return co_await aio::shield(assemble_slot(std::move(name)));
}

Task<Result<void>> HostNetwork::destroy_slot(std::string name) {
  SBX_CO_CHECK(check_name(name));
  co_return co_await aio::shield(dismantle_slot(std::move(name)));
}

Task<Result<void>> HostNetwork::set_egress(ports::NetworkSlot slot, model::EgressPolicy policy) {
  co_return co_await aio::shield(change_egress(std::move(slot), std::move(policy)));
}

Task<Result<void>> HostNetwork::publish(ports::NetworkSlot slot, std::vector<model::PublishedPort> ports) {
  co_return co_await aio::shield(open_ports(std::move(slot), std::move(ports)));
}

Task<Result<void>> HostNetwork::unpublish(ports::NetworkSlot slot) {
  co_return co_await aio::shield(close_ports(std::move(slot)));
}

Task<Result<void>> HostNetwork::teardown() { co_return co_await aio::shield(remove_everything()); }

Task<Result<void>> HostNetwork::bring_up() {
  SBX_CO_CHECK(provider_.check());
  auto prepared =
      co_await system_pool_.run([this] { return prepare_bridge(options_.bridge, subnet_, gateway_address()); });
  if (!prepared) co_return std::move(prepared).error();
  if (enforced_) co_return co_await rebuild();
  if (!watching_) {
    SBX_CO_TRY(watch, RulesetWatch::open(executor_, table_));
    watching_ = true;
    tasks_.spawn("nftables watch", watch_tables(std::move(watch)));
  }
  co_return co_await adopt_tables();
}

Task<Result<ports::NetworkSlot>> HostNetwork::assemble_slot(std::string name) {
  const std::string path = namespace_path(name);
  auto made = co_await system_pool_.run([path] { return make_namespace(path); });
  if (!made) co_return made.error().with_context("network slot " + name);
  auto slot = co_await attach_and_bind(name);
  if (slot) co_return std::move(slot);
  auto undone = co_await dismantle_slot(name);
  Error failure = slot.error().with_context("network slot " + name);
  if (!undone) co_return failure.with_reasons({"removal: " + undone.error().message()});
  co_return failure;
}

Task<Result<ports::NetworkSlot>> HostNetwork::attach_and_bind(std::string name) {
  const std::string path = namespace_path(name);
  SBX_CO_TRY(interface, co_await provider_.attach(name, path));
  const auto address = parse_ipv4(interface.ip);
  if (!address || !subnet_.contains(*address))
    co_return Error(ErrorCode::network_failed, "the CNI network gave the address " + interface.ip +
                                                   ", which is not in subnet_cidr " + to_text(subnet_) +
                                                   ": make both the same");
  if (!is_word(interface.host_interface, "_.-", 15))
    co_return Error(ErrorCode::network_failed, "the CNI network made no interface on the host that could be filtered");
  Binding binding{name, interface.host_interface, interface.mac, interface.ip};
  // On the link first: from the moment that its frames pass, the port is isolated.
  auto bound = co_await system_pool_.run([this, binding] { return bind_port(options_.bridge, binding); });
  if (!bound) co_return std::move(bound).error();
  SBX_CO_CHECK(co_await apply(ledger_.bind(binding)));
  limits_[name] = 0;
  ports::NetworkSlot slot;
  slot.name = std::move(name);
  slot.namespace_path = path;
  slot.ip = binding.ip;
  co_return slot;
}

// Rules before address: the next owner of the address must not meet them. The namespace's name goes last, so that a
// crash in between leaves something that list_slots() finds.
Task<Result<void>> HostNetwork::dismantle_slot(std::string name) {
  const std::string path = namespace_path(name);
  limits_.erase(name);
  if (const Binding* binding = ledger_.binding(name)) {
    const std::string ip = binding->ip;
    for (const model::PublishedPort& port : ledger_.ports_of(ip)) forwarder_.close(port.host_port, port.protocol);
    Change change = ledger_.unpublish(ip);
    change = merged(std::move(change), ledger_.remove_egress(ip));
    change = merged(std::move(change), ledger_.unbind(name));
    SBX_CO_CHECK(co_await apply(std::move(change)));
    const Ipv4 address = parse_ipv4(ip).value_or(Ipv4{});
    auto released = co_await system_pool_.run([this, address] {
      release_address(options_.bridge, address);
      return true;
    });
    static_cast<void>(released);
  }
  auto discarded = co_await system_pool_.run([path] { return discard_unmounted(path); });
  if (!discarded) co_return discarded.error().with_context("network slot " + name);
  auto detached = co_await provider_.detach(name, path);
  if (!detached) co_return detached.error().with_context("network slot " + name);
  auto removed = co_await system_pool_.run([path] { return remove_namespace(path); });
  if (!removed) co_return removed.error().with_context("network slot " + name);
  co_return Result<void>();
}

Task<Result<std::vector<ports::NetworkSlot>>> HostNetwork::list_slots() {
  auto named =
      co_await system_pool_.run([this] { return list_namespaces(options_.namespace_dir, options_.slot_prefix); });
  if (!named) co_return std::move(named).error();
  SBX_CO_TRY(attached, co_await provider_.attached());
  std::set<std::string> names(named->begin(), named->end());
  for (const std::string& name : attached) {
    if (is_slot_name(name, options_.slot_prefix)) names.insert(name);
  }
  for (const auto& [name, binding] : ledger_.bindings()) names.insert(name);
  std::vector<ports::NetworkSlot> slots;
  for (const std::string& name : names) {
    ports::NetworkSlot slot;
    slot.name = name;
    slot.namespace_path = namespace_path(name);
    if (const Binding* binding = ledger_.binding(name)) slot.ip = binding->ip;
    slots.push_back(std::move(slot));
  }
  co_return slots;
}

Task<Result<void>> HostNetwork::change_egress(ports::NetworkSlot slot, model::EgressPolicy policy) {
  SBX_CO_CHECK(check_slot(slot));
  SBX_CO_TRY(change, ledger_.set_egress(slot.ip, policy));
  auto limited = co_await limit(slot, policy.bandwidth_bits_per_second);  // before anything is opened
  if (!limited) {
    change.undo();
    co_return std::move(limited);
  }
  co_return co_await apply(std::move(change));
}

Task<Result<void>> HostNetwork::limit(ports::NetworkSlot slot, std::int64_t bits_per_second) {
  const auto known = limits_.find(slot.name);
  if (known != limits_.end() && known->second == bits_per_second) co_return Result<void>();
  limits_.erase(slot.name);
  const Binding binding = *ledger_.binding(slot.name);
  const std::string path = namespace_path(slot.name);
  auto limited = co_await system_pool_.run(
      [binding, path, bits_per_second] { return limit_bandwidth(binding.interface, path, bits_per_second); });
  if (!limited) co_return std::move(limited).error();
  if (ledger_.binding(slot.name) != nullptr) limits_[slot.name] = bits_per_second;
  co_return Result<void>();
}

Task<Result<void>> HostNetwork::check_port_free(int host_port, model::Protocol protocol) {
  const auto known = ledger_.published().find({protocol, host_port});
  if (known != ledger_.published().end())
    co_return port_in_use(host_port, protocol, "published for sandbox address " + known->second.ip);
  co_return try_host_port(host_port, protocol);
}

// Takes every port on 127.0.0.1, or none. A port that is not in force yet must also be free on the other addresses,
// where the map would otherwise take traffic away from its listener.
Result<void> HostNetwork::take_host_ports(const ports::NetworkSlot& slot,
                                          const std::vector<model::PublishedPort>& ports) {
  std::vector<model::PublishedPort> taken;
  Result<void> outcome;
  for (const model::PublishedPort& port : ports) {
    if (forwarder_.is_open(port.host_port, port.protocol)) continue;  // the ledger said that it is this slot's
    outcome = try_host_port(port.host_port, port.protocol);
    if (outcome) outcome = forwarder_.open(port, slot.ip);
    if (!outcome) break;
    taken.push_back(port);
  }
  if (outcome) return outcome;
  for (const model::PublishedPort& port : taken) forwarder_.close(port.host_port, port.protocol);
  return outcome;
}

Task<Result<void>> HostNetwork::open_ports(ports::NetworkSlot slot, std::vector<model::PublishedPort> ports) {
  SBX_CO_CHECK(check_slot(slot));
  const auto before = ledger_.ports_of(slot.ip);
  SBX_CO_TRY(change, ledger_.publish(slot.ip, ports));
  auto taken = take_host_ports(slot, ports);
  if (!taken) {
    change.undo();
    co_return std::move(taken).error();
  }
  auto applied = co_await apply(std::move(change));
  if (applied) co_return std::move(applied);
  for (const model::PublishedPort& port : ports) {
    if (std::find(before.begin(), before.end(), port) == before.end()) forwarder_.close(port.host_port, port.protocol);
  }
  co_return std::move(applied).error();
}

Task<Result<void>> HostNetwork::close_ports(ports::NetworkSlot slot) {
  const auto ports = ledger_.ports_of(slot.ip);
  if (ports.empty()) co_return Result<void>();
  for (const model::PublishedPort& port : ports) forwarder_.close(port.host_port, port.protocol);
  co_return co_await apply(ledger_.unpublish(slot.ip));
}

Task<void> HostNetwork::stop() {
  tasks_.cancel();
  co_await tasks_.join();
  co_await forwarder_.stop();
}

Task<Result<void>> HostNetwork::remove_everything() {
  enforced_ = false;
  Result<void> outcome;
  SBX_CO_TRY(slots, co_await list_slots());
  for (const ports::NetworkSlot& slot : slots) {
    auto destroyed = co_await dismantle_slot(slot.name);
    if (!destroyed && outcome) outcome = std::move(destroyed).error();
  }
  // With a slot left, the rules stay: it must not come to life unfiltered.
  if (!outcome) co_return outcome;
  SBX_CO_CHECK(co_await set_hooks({}));
  auto removed = co_await nft_pool_.run([this] { return nft_.run(removal_text(table_)); });
  if (!removed) co_return std::move(removed).error();
  co_return co_await system_pool_.run([this] { return rtnetlink::delete_link(options_.bridge); });
}

}  // namespace sandboxd::network
