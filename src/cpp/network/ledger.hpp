// What the firewall's sets and maps contain, as a value, and the nft text of each change to it. Pure.
//
// Every mutation changes the ledger at once and returns the batch that makes the kernel agree, with an undo for when
// the kernel refuses. The ledger is read from the kernel at start (load()), so it needs no file.
#pragma once

#include "base/result.hpp"
#include "model/spec.hpp"
#include "network/address.hpp"
#include "network/egress_elements.hpp"

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxd::network {

// Which frames a bridge port may send. Its element carries the slot's name as a comment: the kernel is the register.
struct Binding {
  std::string slot;
  std::string interface;  // the veth's host side
  std::string mac;
  std::string ip;

  friend bool operator==(const Binding&, const Binding&) = default;
};

struct Change {
  std::string batch;           // nft commands; empty: nothing to do
  std::function<void()> undo;  // takes the ledger back; valid as long as the ledger lives
};

// One batch of both; undone in reverse order.
[[nodiscard]] Change merged(Change first, Change second);

class Ledger {
 public:
  using HostPort = std::pair<model::Protocol, int>;
  struct Target {
    std::string ip;
    int port = 0;
    friend bool operator==(const Target&, const Target&) = default;
  };
  struct Policy {
    bool public_internet = false;
    EgressElements allow;
    [[nodiscard]] bool none() const { return !public_internet && allow.empty(); }
    friend bool operator==(const Policy&, const Policy&) = default;
  };

  explicit Ledger(std::string table) : table_(std::move(table)) {}

  // Reads the JSON that `nft -j list table inet <table>` and `... bridge <table>` print; empty text: no such table.
  // protocol_error when a table of that name is not ours.
  [[nodiscard]] Result<void> load(std::string_view inet_json, std::string_view bridge_json);

  [[nodiscard]] Change bind(Binding binding);
  [[nodiscard]] Change unbind(const std::string& slot);
  // invalid_argument names the entry that is malformed or not IPv4.
  [[nodiscard]] Result<Change> set_egress(const std::string& ip, const model::EgressPolicy& policy);
  [[nodiscard]] Change remove_egress(const std::string& ip) { return replace_policy(ip, Policy{}); }
  // resource_exhausted when another slot has one of the ports; nothing is changed then.
  [[nodiscard]] Result<Change> publish(const std::string& ip, const std::vector<model::PublishedPort>& ports);
  [[nodiscard]] Change unpublish(const std::string& ip);

  [[nodiscard]] const Binding* binding(const std::string& slot) const;
  [[nodiscard]] const std::map<std::string, Binding>& bindings() const { return bindings_; }
  [[nodiscard]] const std::map<HostPort, Target>& published() const { return published_; }
  [[nodiscard]] Policy policy(const std::string& ip) const;
  [[nodiscard]] std::vector<model::PublishedPort> ports_of(const std::string& ip) const;

  // `add element` commands for everything.
  [[nodiscard]] std::string elements() const;

 private:
  [[nodiscard]] std::string element(std::string_view verb, std::string_view family, std::string_view set,
                                    std::string_view content) const;
  [[nodiscard]] std::string binding_text(std::string_view verb, const Binding& binding) const;
  // Elements of `allow` that `except` does not have.
  [[nodiscard]] std::string allow_text(std::string_view verb, const std::string& ip, const EgressElements& allow,
                                       const EgressElements& except) const;
  [[nodiscard]] std::string policy_text(const std::string& ip, const Policy& policy) const;
  [[nodiscard]] std::string port_text(std::string_view verb, const HostPort& port, const Target& target) const;
  Change replace_policy(const std::string& ip, Policy policy);

  std::string table_;
  std::map<std::string, Binding> bindings_;  // by slot
  std::map<std::string, Policy> policies_;   // by address; none() is not kept
  std::map<HostPort, Target> published_;
};

}  // namespace sandboxd::network
