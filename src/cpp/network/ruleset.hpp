// The rules, as nft text. Pure; every rule's reason stands beside it in ruleset.cpp.
//
//   inet    forward, input      what may pass between a sandbox and everything else
//           prerouting, output  published ports (DNAT by map)
//           postrouting         masquerade
//   bridge  prerouting          anti-spoofing by port; forward: no frame from one sandbox to another
//   netdev  ingress             the same by MAC and address alone, at the bridge itself: holds also for a port that is
//                               not bound yet. (`meta ibrname` would say it in one place, but many kernels lack it.)
//
// Every packet of a connection that a sandbox opened is judged, not only the first: taking a policy away also ends what
// is under way.
#pragma once

#include "network/address.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::network {

struct RulesetOptions {
  std::string table;  // in each of the three families
  std::string bridge;
  Cidr subnet;
  std::vector<std::string> resolvers;
};

// "sandboxd_<instance>"
[[nodiscard]] std::string table_name(std::string_view instance);

// A table that comes and goes within one transaction: nobody ever sees it, but the transaction's notifications tell the
// watch (ruleset_watch.hpp) that it is ours.
[[nodiscard]] std::string announcement_name(std::string_view table);
[[nodiscard]] std::string announcement_text(std::string_view table);

// Replaces the tables, with empty sets. Atomic together with the elements that the caller appends to the text.
[[nodiscard]] std::string ruleset_text(const RulesetOptions& options);
// Removes the tables, whether they are there or not.
[[nodiscard]] std::string removal_text(std::string_view table);

// Our rules in other programs' chains. `listing_json` is `nft -j list table ip filter` (empty: no such table); the text
// removes rules with our comment (the table's name) and, when `chains` has names, inserts two accepting rules for the
// bridge at the top of those that exist.
[[nodiscard]] std::string hook_text(std::string_view listing_json, const std::vector<std::string>& chains,
                                    std::string_view table, std::string_view bridge);
// The same when a chain lacks one of its two rules; else empty.
[[nodiscard]] std::string missing_hook_text(std::string_view listing_json, const std::vector<std::string>& chains,
                                            std::string_view table, std::string_view bridge);

}  // namespace sandboxd::network
