// HostNetwork's dealings with its tables: changes, rebuilding, adoption, hooks, the watch.
#include "base/log.hpp"
#include "network/host_network.hpp"
#include "network/ruleset.hpp"

#include <array>
#include <utility>

namespace sandboxd::network {
namespace {

constexpr Log kLog("network");

struct Listings {
  std::string inet;
  std::string bridge;
};

}  // namespace

Task<Result<void>> HostNetwork::apply(Change change) {
  if (change.batch.empty()) co_return Result<void>();
  const std::string& batch = change.batch;
  auto done = co_await nft_pool_.run([this, batch] { return nft_.run(batch); });
  if (done) co_return std::move(done);
  kLog.warn("nftables refused a change: rebuilding the tables", {{"error", done.error().message()}});
  auto rebuilt = co_await rebuild();
  if (!rebuilt) change.undo();
  co_return std::move(rebuilt);
}

Task<Result<void>> HostNetwork::rebuild() {
  RulesetOptions rules;
  rules.table = table_;
  rules.bridge = options_.bridge;
  rules.subnet = subnet_;
  rules.resolvers = options_.dns_servers;
  const std::string text = ruleset_text(rules) + ledger_.elements();
  auto done = co_await nft_pool_.run([this, text] { return nft_.run(text); });
  if (!done) co_return std::move(done).error();
  co_return co_await set_hooks(options_.forward_hook_chains);
}

Task<Result<void>> HostNetwork::set_hooks(std::vector<std::string> chains) {
  co_return co_await nft_pool_.run([this, chains]() -> Result<void> {
    SBX_TRY(listing, nft_.list_table("ip", "filter"));
    const std::string text = hook_text(listing, chains, table_, options_.bridge);
    if (text.empty()) return {};
    return nft_.run(text);
  });
}

Task<Result<void>> HostNetwork::adopt_tables() {
  auto listed = co_await nft_pool_.run([this]() -> Result<Listings> {
    SBX_TRY(inet, nft_.list_table("inet", table_));
    SBX_TRY(bridge, nft_.list_table("bridge", table_));
    return Listings{std::move(inet), std::move(bridge)};
  });
  if (!listed) co_return std::move(listed).error();
  SBX_CO_CHECK(ledger_.load(listed->inet, listed->bridge));
  co_return co_await rebuild();
}

Task<Result<bool>> HostNetwork::tables_exist() {
  co_return co_await nft_pool_.run([this]() -> Result<bool> {
    for (const char* family : {"inet", "bridge", "netdev"}) {
      SBX_TRY(listing, nft_.list_table(family, table_));
      if (listing.empty()) return false;
    }
    return true;
  });
}

Task<void> HostNetwork::watch_tables(std::shared_ptr<RulesetWatch> watch) {
  for (;;) {
    co_await watch->table_deleted();
    // Our own rebuild deletes and adds: look what is there.
    auto there = co_await tables_exist();
    if (!enforced_ || (there && *there)) continue;
    kLog.warn("the firewall tables were removed by another program: rebuilding them", {{"table", table_}});
    auto rebuilt = co_await rebuild();
    if (!rebuilt) kLog.error("the firewall tables cannot be rebuilt", {{"error", rebuilt.error().message()}});
  }
}

}  // namespace sandboxd::network
