#include "network/ledger.hpp"

#include "network/loopback_forwarder.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>

namespace sandboxd::network {
namespace {

namespace json = boost::json;

constexpr std::string_view kAdd = "add";
constexpr std::string_view kDelete = "delete";

using Elements = std::map<std::string, json::array>;  // by set

// The elements of every set and map in a listing.
Result<Elements> read_listing(std::string_view text) {
  Elements sets;
  if (text.empty()) return sets;
  boost::system::error_code failure;
  const json::value listing = json::parse(text, failure);
  const json::object* root = failure ? nullptr : listing.if_object();
  const json::value* entries = root == nullptr ? nullptr : root->if_contains("nftables");
  if (entries == nullptr || !entries->is_array())
    return Error(ErrorCode::protocol_error, "nftables printed a listing that is not as documented");
  for (const json::value& entry : entries->get_array()) {
    for (const std::string_view kind : {"set", "map"}) {
      const json::object* object = entry.if_object();
      const json::value* found = object == nullptr ? nullptr : object->if_contains(kind);
      if (found == nullptr || !found->is_object()) continue;
      const json::value* name = found->get_object().if_contains("name");
      const json::value* elements = found->get_object().if_contains("elem");
      if (name != nullptr && name->is_string() && elements != nullptr && elements->is_array())
        sets[std::string(name->get_string())] = elements->get_array();
    }
  }
  return sets;
}

// An element is its value, or an object with the value and a comment.
const json::value& value_of(const json::value& element) {
  if (const json::object* object = element.if_object()) {
    if (const json::value* inner = object->if_contains("elem"); inner != nullptr && inner->is_object()) {
      if (const json::value* value = inner->get_object().if_contains("val")) return *value;
    }
  }
  return element;
}

std::string comment_of(const json::value& element) {
  const json::object* object = element.if_object();
  const json::value* inner = object == nullptr ? nullptr : object->if_contains("elem");
  const json::value* comment =
      inner == nullptr || !inner->is_object() ? nullptr : inner->get_object().if_contains("comment");
  return comment != nullptr && comment->is_string() ? std::string(comment->get_string()) : std::string();
}

std::string range_of(const json::value& ends) {
  const json::array* pair = ends.if_array();
  return pair == nullptr || pair->size() != 2 ? "" : json::serialize((*pair)[0]) + "-" + json::serialize((*pair)[1]);
}

// The parts of a concatenation as text: names and addresses, "base/length", numbers, "first-last".
std::vector<std::string> parts_of(const json::value& value) {
  const json::object* object = value.if_object();
  const json::value* list = object == nullptr ? nullptr : object->if_contains("concat");
  std::vector<std::string> parts;
  if (list == nullptr || !list->is_array()) return parts;
  for (const json::value& part : list->get_array()) {
    if (part.is_string()) parts.emplace_back(part.get_string());
    if (part.is_int64()) parts.push_back(std::to_string(part.get_int64()));
    if (part.is_object() && part.get_object().contains("range"))
      parts.push_back(range_of(part.get_object().at("range")));
    const json::value* prefix = part.is_object() ? part.get_object().if_contains("prefix") : nullptr;
    if (prefix == nullptr || !prefix->is_object()) continue;
    const json::value* base = prefix->get_object().if_contains("addr");
    const json::value* length = prefix->get_object().if_contains("len");
    if (base != nullptr && base->is_string() && length != nullptr)
      parts.push_back(std::string(base->get_string()) + "/" + json::serialize(*length));
  }
  return parts;
}

// Of the parts address, range, protocol, ports.
std::optional<PortElement> port_element(const std::vector<std::string>& parts) {
  const auto range = parse_cidr(parts[1]);
  const auto protocol = model::parse_protocol(parts[2]);
  const std::string_view ports = parts[3];
  const auto dash = ports.find('-');
  const auto first = model::parse_number(ports.substr(0, dash), 65535);
  const auto last = dash == std::string_view::npos ? first : model::parse_number(ports.substr(dash + 1), 65535);
  if (!range || !protocol || !first || !last) return std::nullopt;
  return PortElement{*range, *protocol, {static_cast<int>(*first), static_cast<int>(*last)}};
}

// Both sorted.
template <class T>
std::vector<T> difference(const std::vector<T>& all, const std::vector<T>& except) {
  std::vector<T> out;
  std::set_difference(all.begin(), all.end(), except.begin(), except.end(), std::back_inserter(out));
  return out;
}

}  // namespace

Change merged(Change first, Change second) {
  Change both;
  both.batch = first.batch + second.batch;
  both.undo = [first = std::move(first.undo), second = std::move(second.undo)] {
    second();
    first();
  };
  return both;
}

Result<void> Ledger::load(std::string_view inet_json, std::string_view bridge_json) {
  SBX_TRY(inet, read_listing(inet_json));
  SBX_TRY(bridge, read_listing(bridge_json));
  bindings_.clear();
  policies_.clear();
  published_.clear();
  for (const json::value& element : bridge["bound"]) {
    const auto parts = parts_of(value_of(element));
    const std::string slot = comment_of(element);
    if (parts.size() == 3 && !slot.empty()) bindings_[slot] = Binding{slot, parts[0], parts[1], parts[2]};
  }
  for (const json::value& element : inet["egress_public"]) {
    const json::value& value = value_of(element);
    if (value.is_string()) policies_[std::string(value.get_string())].public_internet = true;
  }
  for (const json::value& element : inet["egress_allow"]) {
    const auto parts = parts_of(value_of(element));
    const auto range = parts.size() == 2 ? parse_cidr(parts[1]) : std::nullopt;
    if (range) policies_[parts[0]].allow.ranges.push_back(*range);
  }
  for (const json::value& element : inet["egress_ports"]) {
    const auto parts = parts_of(value_of(element));
    const auto found = parts.size() == 4 ? port_element(parts) : std::nullopt;
    if (found) policies_[parts[0]].allow.ports.push_back(*found);
  }
  for (auto& [ip, policy] : policies_) {
    std::sort(policy.allow.ranges.begin(), policy.allow.ranges.end());
    std::sort(policy.allow.ports.begin(), policy.allow.ports.end());
  }
  for (const model::Protocol protocol : {model::Protocol::tcp, model::Protocol::udp}) {
    for (const json::value& element : inet["dnat_" + std::string(model::to_string(protocol))]) {
      const json::array* pair = element.if_array();
      if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_int64()) continue;
      const auto parts = parts_of((*pair)[1]);
      if (parts.size() != 2) continue;
      published_[{protocol, static_cast<int>((*pair)[0].get_int64())}] = Target{parts[0], std::stoi(parts[1])};
    }
  }
  return {};
}

std::string Ledger::element(std::string_view verb, std::string_view family, std::string_view set,
                            std::string_view content) const {
  std::string text(verb);
  text.append(" element ").append(family).append(" ").append(table_).append(" ").append(set);
  return text.append(" { ").append(content).append(" }\n");
}

std::string Ledger::binding_text(std::string_view verb, const Binding& binding) const {
  const std::string port = "\"" + binding.interface + "\"";
  const std::string comment = verb == kAdd ? " comment \"" + binding.slot + "\"" : "";
  return element(verb, "bridge", "ports", port) +
         element(verb, "bridge", "bound", port + " . " + binding.mac + " . " + binding.ip + comment) +
         element(verb, "netdev", "bound", binding.mac + " . " + binding.ip);
}

std::string Ledger::allow_text(std::string_view verb, const std::string& ip, const EgressElements& allow,
                               const EgressElements& except) const {
  std::string ranges;
  for (const Cidr& range : difference(allow.ranges, except.ranges))
    ranges += (ranges.empty() ? "" : ", ") + ip + " . " + to_text(range);
  std::string ports;
  for (const PortElement& one : difference(allow.ports, except.ports)) {
    ports += (ports.empty() ? "" : ", ") + ip + " . " + to_text(one.range) + " . " +
             std::string(model::to_string(one.protocol)) + " . " + std::to_string(one.ports.first) +
             (one.ports.last == one.ports.first ? "" : "-" + std::to_string(one.ports.last));
  }
  return (ranges.empty() ? "" : element(verb, "inet", "egress_allow", ranges)) +
         (ports.empty() ? "" : element(verb, "inet", "egress_ports", ports));
}

std::string Ledger::policy_text(const std::string& ip, const Policy& policy) const {
  std::string text = element(kAdd, "inet", "egress_dns", ip);
  if (policy.public_internet) text += element(kAdd, "inet", "egress_public", ip);
  return text + allow_text(kAdd, ip, policy.allow, {});
}

std::string Ledger::port_text(std::string_view verb, const HostPort& port, const Target& target) const {
  const std::string protocol(model::to_string(port.first));
  return element(verb, "inet", "dnat_" + protocol,
                 std::to_string(port.second) + " : " + target.ip + " . " + std::to_string(target.port));
}

Change Ledger::bind(Binding binding) {
  Change change;
  const std::string slot = binding.slot;
  change.batch = binding_text(kAdd, binding);
  bindings_[slot] = std::move(binding);
  change.undo = [this, slot] { bindings_.erase(slot); };
  return change;
}

Change Ledger::unbind(const std::string& slot) {
  Change change;
  change.undo = [] {};
  const auto found = bindings_.find(slot);
  if (found == bindings_.end()) return change;
  const Binding binding = found->second;
  change.batch = binding_text(kDelete, binding);
  bindings_.erase(found);
  change.undo = [this, binding] { bindings_[binding.slot] = binding; };
  return change;
}

Change Ledger::replace_policy(const std::string& ip, Policy policy) {
  Change change;
  const Policy before = this->policy(ip);
  // Only what differs: an element that stays is never out of force.
  if (before.none() != policy.none()) change.batch += element(policy.none() ? kDelete : kAdd, "inet", "egress_dns", ip);
  if (before.public_internet != policy.public_internet)
    change.batch += element(policy.public_internet ? kAdd : kDelete, "inet", "egress_public", ip);
  change.batch += allow_text(kDelete, ip, before.allow, policy.allow);
  change.batch += allow_text(kAdd, ip, policy.allow, before.allow);
  if (policy.none()) {
    policies_.erase(ip);
  } else {
    policies_[ip] = std::move(policy);
  }
  change.undo = [this, ip, before] {
    if (before.none()) {
      policies_.erase(ip);
    } else {
      policies_[ip] = before;
    }
  };
  return change;
}

Result<Change> Ledger::set_egress(const std::string& ip, const model::EgressPolicy& policy) {
  Policy wanted;
  wanted.public_internet = policy.mode == model::EgressMode::public_internet;
  if (policy.mode == model::EgressMode::allow_list) {
    std::vector<model::EgressEntry> entries;
    for (const std::string& text : policy.allow_cidrs) {
      auto entry = model::parse_egress_entry(text);
      if (!entry) return entry.error().with_context("egress entry \"" + text + "\"");
      entries.push_back(*std::move(entry));
    }
    wanted.allow = egress_elements(entries);
  }
  return replace_policy(ip, std::move(wanted));
}

Result<Change> Ledger::publish(const std::string& ip, const std::vector<model::PublishedPort>& ports) {
  std::map<HostPort, Target> added;
  for (const model::PublishedPort& port : ports) {
    const HostPort key{port.protocol, port.host_port};
    const Target target{ip, port.container_port};
    const auto known = published_.find(key);
    const auto twice = added.find(key);
    const bool taken = known != published_.end() && known->second != target;
    if (taken) return port_in_use(port.host_port, port.protocol, "published for sandbox address " + known->second.ip);
    if (twice != added.end() && twice->second != target)
      return port_in_use(port.host_port, port.protocol, "named twice in one request");
    if (known == published_.end()) added.emplace(key, target);
  }
  Change change;
  for (const auto& [key, target] : added) {
    // Two host ports may lead to one port of the sandbox; adding an element again is harmless.
    change.batch += port_text(kAdd, key, target) + element(kAdd, "inet", "published",
                                                           ip + " . " + std::string(model::to_string(key.first)) +
                                                               " . " + std::to_string(target.port));
    published_.emplace(key, target);
  }
  change.undo = [this, added] {
    for (const auto& [key, target] : added) published_.erase(key);
  };
  return change;
}

Change Ledger::unpublish(const std::string& ip) {
  Change change;
  std::map<HostPort, Target> removed;
  std::set<std::string> opened;
  for (const auto& [key, target] : published_) {
    if (target.ip != ip) continue;
    removed.emplace(key, target);
    change.batch += port_text(kDelete, key, target);
    opened.insert(ip + " . " + std::string(model::to_string(key.first)) + " . " + std::to_string(target.port));
  }
  for (const std::string& content : opened) change.batch += element(kDelete, "inet", "published", content);
  for (const auto& [key, target] : removed) published_.erase(key);
  change.undo = [this, removed] { published_.insert(removed.begin(), removed.end()); };
  return change;
}

const Binding* Ledger::binding(const std::string& slot) const {
  const auto found = bindings_.find(slot);
  return found == bindings_.end() ? nullptr : &found->second;
}

Ledger::Policy Ledger::policy(const std::string& ip) const {
  const auto found = policies_.find(ip);
  return found == policies_.end() ? Policy{} : found->second;
}

std::vector<model::PublishedPort> Ledger::ports_of(const std::string& ip) const {
  std::vector<model::PublishedPort> ports;
  for (const auto& [key, target] : published_) {
    if (target.ip == ip) ports.push_back(model::PublishedPort{key.second, target.port, key.first});
  }
  return ports;
}

std::string Ledger::elements() const {
  std::string text;
  for (const auto& [slot, binding] : bindings_) text += binding_text(kAdd, binding);
  for (const auto& [ip, policy] : policies_) text += policy_text(ip, policy);
  for (const auto& [key, target] : published_) {
    text += port_text(kAdd, key, target) +
            element(kAdd, "inet", "published",
                    target.ip + " . " + std::string(model::to_string(key.first)) + " . " + std::to_string(target.port));
  }
  return text;
}

}  // namespace sandboxd::network
