#include "network/ruleset.hpp"

#include "model/egress.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <map>

namespace sandboxd::network {
namespace {

namespace json = boost::json;

constexpr std::string_view kFamilies[] = {"inet", "bridge", "netdev"};

// The texts below name the table %T, the bridge %B and the subnet %S.

constexpr std::string_view kSets = R"(
add set inet %T resolvers { type ipv4_addr; }
add set inet %T special { type ipv4_addr; flags interval; }
# What policies and publications add, see ledger.cpp.
add set inet %T egress_dns { type ipv4_addr; }
add set inet %T egress_public { type ipv4_addr; }
add set inet %T egress_allow { type ipv4_addr . ipv4_addr; flags interval; }
add set inet %T egress_ports { type ipv4_addr . ipv4_addr . inet_proto . inet_service; flags interval; }
add set inet %T published { type ipv4_addr . inet_proto . inet_service; }
add map inet %T dnat_tcp { type inet_service : ipv4_addr . inet_service; }
add map inet %T dnat_udp { type inet_service : ipv4_addr . inet_service; }
add set bridge %T ports { type ifname; }
add set bridge %T bound { type ifname . ether_addr . ipv4_addr; }
add set netdev %T bound { type ether_addr . ipv4_addr; }
)";

constexpr std::string_view kInetChains = R"(
# An answer at once instead of a wait for nothing.
add chain inet %T refuse
add rule inet %T refuse meta l4proto tcp reject with tcp reset
add rule inet %T refuse reject with icmpx type admin-prohibited

# Answers of a connection that somebody was allowed to open, and errors about one. Only the answering direction is
# trusted: packets of the opening direction go through the policy one by one.
add chain inet %T answers
add rule inet %T answers ct direction reply ct state established,related accept
add rule inet %T answers ct state related ip protocol icmp accept

# Names, only where the policy lets out at all, and only at the configured servers, which may be private. (An
# allow-list that names another server opens that one.)
add chain inet %T names
add rule inet %T names ip saddr @egress_dns ip daddr @resolvers meta l4proto { tcp, udp } th dport 53 accept

add chain inet %T from_sandbox
add rule inet %T from_sandbox oifname "%B" goto refuse
add rule inet %T from_sandbox jump answers
add rule inet %T from_sandbox meta nfproto != ipv4 drop
add rule inet %T from_sandbox jump names
add rule inet %T from_sandbox ip daddr @special goto refuse
add rule inet %T from_sandbox ip saddr . ip daddr @egress_allow accept
add rule inet %T from_sandbox ip saddr . ip daddr . meta l4proto . th dport @egress_ports accept
add rule inet %T from_sandbox meta l4proto { tcp, udp } th dport 53 goto refuse
add rule inet %T from_sandbox ip saddr @egress_public accept
add rule inet %T from_sandbox goto refuse

# Into a sandbox: published ports, by the address and port that the map translated to.
add chain inet %T to_sandbox
add rule inet %T to_sandbox jump answers
add rule inet %T to_sandbox ct status dnat ip daddr . meta l4proto . th dport @published accept
add rule inet %T to_sandbox drop

# To the host itself: answers only (the host may open connections to sandboxes: probes, forwarder, its user).
add chain inet %T to_host
add rule inet %T to_host jump answers
add rule inet %T to_host jump names
add rule inet %T to_host goto refuse

add chain inet %T forward { type filter hook forward priority 0; policy accept; }
add rule inet %T forward iifname "%B" jump from_sandbox
add rule inet %T forward oifname "%B" jump to_sandbox
add chain inet %T input { type filter hook input priority 0; policy accept; }
add rule inet %T input iifname "%B" jump to_host

# Published ports: only what is addressed to this host, so nobody's passing traffic is captured; never 127.0.0.0/8,
# which the forwarder serves; never from a sandbox.
add chain inet %T prerouting { type nat hook prerouting priority -100; policy accept; }
add rule inet %T prerouting iifname "%B" return
add rule inet %T prerouting fib daddr type local ip daddr != 127.0.0.0/8 dnat ip to tcp dport map @dnat_tcp
add rule inet %T prerouting fib daddr type local ip daddr != 127.0.0.0/8 dnat ip to udp dport map @dnat_udp
add chain inet %T output { type nat hook output priority -100; policy accept; }
add rule inet %T output fib daddr type local ip daddr != 127.0.0.0/8 dnat ip to tcp dport map @dnat_tcp
add rule inet %T output fib daddr type local ip daddr != 127.0.0.0/8 dnat ip to udp dport map @dnat_udp

add chain inet %T postrouting { type nat hook postrouting priority 100; policy accept; }
add rule inet %T postrouting ip saddr %S oifname != "%B" masquerade
)";

constexpr std::string_view kLinkChains = R"(
# A bound port sends IPv4 and ARP with its own MAC and address, both in the frame and in ARP's fields; nothing else.
add chain bridge %T guard
add rule bridge %T guard ether type ip iifname . ether saddr . ip saddr @bound accept
add rule bridge %T guard ether type arp iifname . ether saddr . arp saddr ip @bound iifname . arp saddr ether . arp saddr ip @bound accept
add rule bridge %T guard drop
add chain bridge %T prerouting { type filter hook prerouting priority -300; policy accept; }
add rule bridge %T prerouting iifname @ports jump guard

# From sandbox to sandbox: never. (The ports are isolated too.)
add chain bridge %T forward { type filter hook forward priority -300; policy accept; }
add rule bridge %T forward iifname @ports drop
add rule bridge %T forward oifname @ports drop

# What reaches the bridge from a port that is not bound (yet).
add chain netdev %T ingress { type filter hook ingress device "%B" priority -300; policy drop; }
add rule netdev %T ingress ether type ip ether saddr . ip saddr @bound accept
add rule netdev %T ingress ether type arp ether saddr . arp saddr ip @bound accept
)";

std::string filled(std::string_view text, const RulesetOptions& options) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      out += text[at];
      continue;
    }
    switch (text[++at]) {
      case 'T': out += options.table; break;
      case 'B': out += options.bridge; break;
      case 'S': out += to_text(options.subnet); break;
      default: break;
    }
  }
  return out;
}

std::string set_content(std::string_view table, std::string_view set, const std::vector<std::string>& items) {
  if (items.empty()) return {};
  std::string text = "add element inet " + std::string(table) + " " + std::string(set) + " { ";
  for (std::size_t i = 0; i < items.size(); ++i) text += (i == 0 ? "" : ", ") + items[i];
  return text + " }\n";
}

// The value at `path` of nested objects, as text; empty when there is none.
std::string text_at(const json::value& value, std::string_view key) {
  const json::object* object = value.if_object();
  const json::value* found = object == nullptr ? nullptr : object->if_contains(key);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

// Of the table `ip filter`.
struct Hooks {
  std::vector<std::string> rules;     // ours: "FORWARD handle 7"
  std::map<std::string, int> chains;  // that are to have them, and how many they have
};

Hooks hooks_of(std::string_view listing_json, const std::vector<std::string>& chains, std::string_view table) {
  boost::system::error_code failure;
  const json::value listing = json::parse(listing_json, failure);
  const json::object* root = failure ? nullptr : listing.if_object();
  const json::value* entries = root == nullptr ? nullptr : root->if_contains("nftables");
  if (entries == nullptr || !entries->is_array()) return {};

  Hooks out;
  for (const json::value& entry : entries->get_array()) {  // chains stand before rules
    const json::object* object = entry.if_object();
    if (object == nullptr) continue;
    const json::value* chain = object->if_contains("chain");
    const std::string name = chain == nullptr ? "" : text_at(*chain, "name");
    if (!name.empty() && std::ranges::find(chains, name) != chains.end()) out.chains.emplace(name, 0);
    const json::value* rule = object->if_contains("rule");
    if (rule == nullptr || text_at(*rule, "comment") != table) continue;
    const std::string where = text_at(*rule, "chain");
    out.rules.push_back(where + " handle " + json::serialize(rule->get_object().at("handle")));
    if (const auto found = out.chains.find(where); found != out.chains.end()) ++found->second;
  }
  return out;
}

}  // namespace

std::string table_name(std::string_view instance) { return "sandboxd_" + std::string(instance); }

std::string announcement_name(std::string_view table) { return std::string(table) + "_own"; }

std::string announcement_text(std::string_view table) {
  const std::string name = announcement_name(table);
  return "add table inet " + name + "\ndelete table inet " + name + "\n";
}

std::string removal_text(std::string_view table) {
  std::string text;
  // `add` first: this nft has no delete that forgives.
  for (const std::string_view family : kFamilies) {
    for (const std::string_view verb : {"add", "delete"}) {
      text += std::string(verb) + " table " + std::string(family) + " " + std::string(table) + "\n";
    }
  }
  return text;
}

std::string ruleset_text(const RulesetOptions& options) {
  std::string text = removal_text(options.table);
  for (const std::string_view family : kFamilies)
    text += "add table " + std::string(family) + " " + options.table + "\n";
  text += filled(kSets, options) + filled(kInetChains, options) + filled(kLinkChains, options);

  std::vector<Cidr> special = model::blocked_ranges();
  special.push_back(options.subnet);
  std::vector<std::string> items;
  for (const Cidr& range : normalised(special)) items.push_back(to_text(range));
  text += set_content(options.table, "special", items);
  text += set_content(options.table, "resolvers", options.resolvers);
  return text;
}

std::string hook_text(std::string_view listing_json, const std::vector<std::string>& chains, std::string_view table,
                      std::string_view bridge) {
  const Hooks found = hooks_of(listing_json, chains, table);
  std::string text;
  for (const std::string& rule : found.rules) text += "delete rule ip filter " + rule + "\n";
  for (const auto& [chain, count] : found.chains) {
    for (const std::string_view side : {"iifname", "oifname"}) {
      text += "insert rule ip filter " + chain + " " + std::string(side) + " \"" + std::string(bridge) +
              "\" accept comment \"" + std::string(table) + "\"\n";
    }
  }
  return text;
}

std::string missing_hook_text(std::string_view listing_json, const std::vector<std::string>& chains,
                              std::string_view table, std::string_view bridge) {
  const Hooks found = hooks_of(listing_json, chains, table);
  const bool are_whole = std::ranges::all_of(found.chains, [](const auto& chain) { return chain.second == 2; });
  return are_whole ? std::string() : hook_text(listing_json, chains, table, bridge);
}

}  // namespace sandboxd::network
