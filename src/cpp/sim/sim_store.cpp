#include "sim/sim_store.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace sandboxd::sim {
namespace {

using Name = StoreState::Name;

Name name_of(const model::Sandbox& sandbox) { return {sandbox.owner, sandbox.name}; }

void change(StoreState& state, const ports::EraseSandbox& erase) {
  const auto found = state.sandboxes.find(erase.id);
  if (found == state.sandboxes.end()) return;
  state.names.erase(name_of(found->second));
  state.sandboxes.erase(found);
}
void change(StoreState& state, const ports::PutSandbox& put) {
  const model::Sandbox& sandbox = *put.sandbox;
  change(state, ports::EraseSandbox{sandbox.id});
  if (!sandbox.name.empty()) state.names[name_of(sandbox)] = sandbox.id;
  state.sandboxes[sandbox.id] = sandbox;
}
void change(StoreState& state, const ports::PutNode& put) { state.nodes[put.node.id] = put.node; }
void change(StoreState& state, const ports::EraseNode& erase) { state.nodes.erase(erase.id); }
void change(StoreState& state, const ports::PutAnswer& put) {
  state.answers[{put.answer.owner, put.answer.key}] = put.answer;
}
void change(StoreState& state, const ports::EraseAnswer& erase) { state.answers.erase({erase.owner, erase.key}); }

void change(StoreState& state, const ports::StoreTransaction& transaction) {
  for (const ports::StoreChange& one : transaction.changes) {
    std::visit([&](const auto& kind) { change(state, kind); }, one);
  }
  state.revision = std::max(state.revision, transaction.revision);
  if (!transaction.instance.empty()) state.instance = transaction.instance;
}

// The rule that a database would keep: one name per owner, checked change by change. What the transaction did so far
// stands beside the state, which stays as it is.
class NameCheck {
 public:
  explicit NameCheck(const StoreState& state) : state_(state) {}

  Result<void> put(const model::Sandbox& sandbox) {
    release(sandbox.id);
    const Name name = name_of(sandbox);
    if (const auto holder = holder_of(name); !sandbox.name.empty() && holder) {
      return Error(ErrorCode::already_exists, "sandbox " + sandbox.id.str() + ": " + sandbox.owner +
                                                  " has another sandbox of the name \"" + sandbox.name + "\"");
    }
    holders_[name] = sandbox.id;
    names_[sandbox.id] = name;
    return {};
  }
  void release(const SandboxId& id) {
    Name name;
    if (const auto changed = names_.find(id); changed != names_.end()) {
      name = changed->second;
    } else if (const auto found = state_.sandboxes.find(id); found != state_.sandboxes.end()) {
      name = name_of(found->second);
    }
    if (holder_of(name) == id) holders_[name] = std::nullopt;
  }

 private:
  std::optional<SandboxId> holder_of(const Name& name) const {
    if (const auto changed = holders_.find(name); changed != holders_.end()) return changed->second;
    const auto found = state_.names.find(name);
    return found == state_.names.end() ? std::nullopt : std::optional(found->second);
  }

  const StoreState& state_;
  std::map<Name, std::optional<SandboxId>> holders_;
  std::map<SandboxId, Name> names_;
};

Result<void> check_names(const StoreState& state, const ports::StoreTransaction& transaction) {
  NameCheck check(state);
  for (const ports::StoreChange& one : transaction.changes) {
    if (const auto* put = std::get_if<ports::PutSandbox>(&one)) SBX_CHECK(check.put(*put->sandbox));
    if (const auto* erase = std::get_if<ports::EraseSandbox>(&one)) check.release(erase->id);
  }
  return {};
}

}  // namespace

SimStore::SimStore(std::shared_ptr<StoreDisk> disk, ports::Clock& clock, std::uint64_t epoch)
    : disk_(std::move(disk)), clock_(clock), epoch_(epoch) {}

SimStore::~SimStore() { disk_->close(epoch_); }

Result<std::unique_ptr<SimStore>> SimStore::open(std::shared_ptr<StoreDisk> disk, ports::Clock& clock) {
  std::uint64_t epoch = 0;
  if (!disk->open(epoch)) {
    return Error(ErrorCode::conflict, "the simulated disk is in use by another store: close that one first");
  }
  return std::unique_ptr<SimStore>(new SimStore(std::move(disk), clock, epoch));
}

Task<Result<ports::StoreContents>> SimStore::load() {
  SBX_CO_CHECK(disk_->check(epoch_));
  const StoreState& state = disk_->seen();
  ports::StoreContents out;
  for (const auto& [id, sandbox] : state.sandboxes) out.sandboxes.push_back(sandbox);
  for (const auto& [id, node] : state.nodes) out.nodes.push_back(node);
  for (const auto& [key, answer] : state.answers) out.answers.push_back(answer);
  out.revision = state.revision;
  out.instance = state.instance;
  co_return out;
}

Task<Result<void>> SimStore::apply(ports::StoreTransaction transaction) {
  // The call may outlive this object when a crash is simulated in its middle.
  const auto disk = disk_;
  SBX_CO_CHECK(check_names(disk->seen(), transaction));
  auto done = co_await StoreDisk::commit(
      *disk, clock_, epoch_, [transaction = std::move(transaction)](StoreState& state) { change(state, transaction); });
  co_return done;
}

}  // namespace sandboxd::sim
