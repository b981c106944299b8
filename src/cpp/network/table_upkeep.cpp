// HostNetwork's dealings with its tables: changes, rebuilding, adoption, hooks, the watch.
#include "base/log.hpp"
#include "network/host_network.hpp"
#include "network/ruleset.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <utility>

namespace sandboxd::network {
namespace {

constexpr Log kLog("network");
constexpr std::chrono::seconds kRepairPause{1};

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
  const std::string text = announcement_text(table_) + ruleset_text(rules) + ledger_.elements();
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
  enforced_ = true;
  co_return co_await rebuild();
}

Task<void> HostNetwork::watch_tables(std::shared_ptr<RulesetWatch> watch) {
  for (;;) {
    const RulesetWatch::Seen seen = co_await watch->changed_by_another();
    if (!enforced_) continue;
    if (seen.tables) {
      kLog.warn("the firewall tables were changed by another program: rebuilding them",
                {{"table", table_}, {"program", seen.program}, {"times", ++repairs_}});
      co_await repair();
    } else if (seen.hooks) {
      co_await restore_hooks(seen.program);
    }
  }
}

// Only what is missing, so that two programs which care for their rules leave each other's alone.
Task<void> HostNetwork::restore_hooks(std::string program) {
  const auto restored = co_await nft_pool_.run([this]() -> Result<bool> {
    SBX_TRY(listing, nft_.list_table("ip", "filter"));
    const std::string text = missing_hook_text(listing, options_.forward_hook_chains, table_, options_.bridge);
    if (text.empty()) return false;
    SBX_CHECK(nft_.run(text));
    return true;
  });
  if (!restored) {
    kLog.error("our rules in other programs' chains cannot be put back", {{"error", restored.error().message()}});
  } else if (*restored) {
    kLog.warn("another program took our rules out of its chains: they are put back", {{"program", program}});
  }
}

Task<void> HostNetwork::repair() {
  boost::asio::steady_timer pause(executor_);
  while (enforced_) {
    auto rebuilt = co_await rebuild();
    if (rebuilt) co_return;
    kLog.error("the firewall tables cannot be rebuilt", {{"error", rebuilt.error().message()}});
    pause.expires_after(kRepairPause);
    co_await pause.async_wait(boost::asio::use_awaitable);
  }
}

}  // namespace sandboxd::network
