#include "orch/engine.hpp"

#include "aio/deadline.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"

#include <algorithm>
#include <utility>

namespace sandboxd::orch {
namespace {

constexpr Log kLog("orch");
constexpr Duration kNewsPause = std::chrono::milliseconds(1);  // two or three commits long
constexpr Duration kRetryMin = std::chrono::milliseconds(100);
constexpr Duration kRetryMax = std::chrono::seconds(5);
constexpr std::size_t kInstanceLength = 8;

sched::ClusterOptions cluster_options(const OrchConfig& config, std::uint64_t seed) {
  sched::ClusterOptions options;
  options.ports.first = static_cast<int>(config.host_port_min);
  options.ports.last = static_cast<int>(config.host_port_max);
  options.ports.quarantine = config.host_port_quarantine;
  // validate() refuses a policy that cannot be read.
  if (auto policy = sched::parse_policy(config.scheduler_policy)) options.policy = *std::move(policy);
  options.seed = seed;
  return options;
}

LinkSettings link_settings(const OrchConfig& config) {
  LinkSettings settings;
  settings.probe_timeout = config.probe_timeout;
  settings.heartbeat_interval = config.heartbeat_interval;
  settings.resource_interval = config.resource_sync_interval;
  settings.status_interval = config.status_sync_interval;
  settings.status_timeout = config.status_sync_timeout;
  settings.batch_size = static_cast<std::size_t>(config.status_sync_batch_size);
  settings.ready_threshold = config.ready_success_threshold;
  return settings;
}

}  // namespace

Engine::Engine(boost::asio::any_io_executor executor, ports::Store& store, ports::NodeTransport& transport,
               ports::Clock& clock, OrchConfig config, std::uint64_t seed)
    : executor_(executor),
      store_(store),
      clock_(clock),
      seed_(seed),
      config_(std::move(config)),
      state_(cluster_options(config_, seed + 4), config_.failed_retention),
      inbox_(executor),
      effects_(executor, transport, clock, inbox_, config_.sandbox_op_timeout, seed + 1),
      links_(
          executor, transport, clock, inbox_, link_settings(config_),
          [this](const NodeId& node) { return roster(node); }, seed + 2),
      loop_(executor) {}

Engine::~Engine() = default;

Task<Result<void>> Engine::start() {
  SBX_CO_TRY(contents, co_await store_.load());
  std::string instance = contents.instance;
  // A store that does not keep the mark: what it has was marked by the life that made it.
  if (instance.empty() && !contents.sandboxes.empty())
    instance = contents.sandboxes.front().uid.substr(0, kInstanceLength);
  if (instance.size() != kInstanceLength) {
    instance = Random(seed_ + 3).hex(kInstanceLength);
    unsaved_instance_ = instance;
  }
  kLog.info(
      "state loaded",
      {{"sandboxes", contents.sandboxes.size()}, {"nodes", contents.nodes.size()}, {"revision", contents.revision}});
  const MonoTime now = clock_.mono_now();
  state_.load(std::move(contents), clock_.wall_now(), now);
  hub_ = std::make_shared<WatchHub>(executor_, state_.revision());
  decisions_ = std::make_unique<Decisions>(state_, config_, instance, seed_);
  decisions_->resume(now);
  publish(state_.accept());
  loop_.spawn("engine", run());
  co_return Result<void>();
}

Task<void> Engine::stop() {
  inbox_.close();
  links_.cancel();
  effects_.cancel();
  co_await links_.join();
  co_await effects_.join();
  stopping_ = true;
  inbox_.arrived().notify();
  co_await loop_.join();
  if (hub_) hub_->close();
}

ConfigReload Engine::reload(const OrchConfig& next) {
  ConfigReload done = take_reloadable(config_, next);
  effects_.set_call_timeout(config_.sandbox_op_timeout);
  links_.configure(link_settings(config_));
  return done;
}

Task<void> Engine::run() {
  while (!stopping_ || !inbox_.empty()) {
    if (!has_work()) {
      const auto woken = co_await wait_for_work();
      static_cast<void>(woken);
      continue;
    }
    in_turn_ = true;
    co_await turn();
    in_turn_ = false;
  }
}

bool Engine::is_due(MonoTime now) const {
  if (now < retry_at_) return false;  // the store failed a moment ago: only callers' wishes are tried meanwhile
  if (!held_.empty() || decisions_->has_more_to_place()) return true;
  const auto deadline = decisions_->next_deadline(clock_.wall_now(), now);
  return deadline && *deadline <= now;
}

bool Engine::may_begin() const {
  return inbox_.has_commands() || (!inbox_.empty() && (stopping_ || clock_.mono_now() >= news_at_));
}

bool Engine::has_work() const { return may_begin() || (!stopping_ && is_due(clock_.mono_now())); }

namespace {

// `known`: news that are there already do not count.
Task<Result<void>> until_arrived(Inbox& inbox, bool known, const bool& stopping) {
  while (!inbox.has_commands() && (known || inbox.empty()) && !stopping) co_await inbox.arrived().wait();
  co_return Result<void>();
}

}  // namespace

Task<Result<void>> Engine::wait_for_work() {
  const MonoTime now = clock_.mono_now();
  auto until = decisions_->next_deadline(clock_.wall_now(), now);
  if (!held_.empty() && (!until || retry_at_ < *until)) until = retry_at_;
  if (until && *until < retry_at_) until = retry_at_;
  const bool news_wait = !inbox_.empty();
  if (news_wait && (!until || news_at_ < *until)) until = news_at_;
  auto arrival = until_arrived(inbox_, news_wait, stopping_);
  if (!until) {
    auto woken = co_await std::move(arrival);
    co_return woken;
  }
  auto woken = co_await aio::with_deadline(clock_, *until - now, std::move(arrival), "wait for work");
  co_return woken;
}

Task<void> Engine::turn() {
  auto items = inbox_.take(limits::kEngineTurnMax);
  state_.begin(clock_.wall_now(), clock_.mono_now());
  ++stats_.turns;
  // While the store is failing only callers' wishes are tried, and what was heard is kept for later.
  const bool hears = state_.mono_now() >= retry_at_;
  decide(items, hears);

  Result<void> stored;
  const bool has_changes = std::exchange(commit_demanded_, false) || state_.changed();
  if (has_changes) {
    ports::StoreTransaction transaction = state_.transaction();
    transaction.instance = unsaved_instance_;
    const MonoTime begin = clock_.mono_now();
    auto applied = co_await store_.apply(std::move(transaction));
    stored = std::move(applied);
    stats_.commit_time.add(clock_.mono_now() - begin);
  }
  if (stored) {
    if (has_changes) note_commit();
    if (hears) held_.clear();
    publish(state_.accept());
  } else {
    retreat(stored.error());
  }
  const Error failure = stored ? Error() : stored.error();
  for (InboxItem& item : items) {
    auto* command = std::get_if<std::unique_ptr<Command>>(&item);
    if (command == nullptr) continue;
    if ((*command)->writes()) {
      (*command)->answer(stored ? nullptr : &failure);
    } else {
      (*command)->run(*this);
      (*command)->answer(nullptr);
    }
  }
}

// Applies what is due and what has arrived, in this order: news that were held back, time, the inbox, placement.
void Engine::decide(std::vector<InboxItem>& items, bool hears) {
  if (hears) {
    for (const NodeId& node : decisions_->take_silent_nodes()) held_.emplace_back(NodeSilent{node});
    for (const Observation& observation : held_) decisions_->observe(observation);
    decisions_->expire_sandboxes();
    decisions_->remove_orphans();
  }
  for (InboxItem& item : items) {
    if (auto* observation = std::get_if<Observation>(&item)) {
      ++stats_.observations;
      // Kept until the turn is stored: should the store fail, it is news again in a later turn.
      held_.push_back(std::move(*observation));
      if (hears) decisions_->observe(held_.back());
      continue;
    }
    auto& command = std::get<std::unique_ptr<Command>>(item);
    ++stats_.commands;
    if (command->writes()) command->run(*this);
  }
  decisions_->tell_news();
  if (hears) decisions_->place_pending();
}

void Engine::note_commit() {
  if (failures_ > 0) kLog.info("the database takes changes again");
  ++stats_.commits;
  news_at_ = clock_.mono_now() + kNewsPause;
  unsaved_instance_.clear();
  failures_ = 0;
  retry_at_ = MonoTime();  // what is still held back is applied in the next turn
}

void Engine::publish(Released released) {
  hub_->publish(std::move(released.events));
  for (Effect& effect : released.effects) perform(std::move(effect));
}

// The store took nothing of this turn, so it did not happen.
void Engine::retreat(const Error& failure) {
  state_.undo();
  ++stats_.failed_commits;
  if (failures_++ == 0) kLog.warn("the database takes no changes", {{"error", failure.message()}});
  const Duration pause = std::min(kRetryMax, kRetryMin * (1 << std::min(failures_, 10)));
  retry_at_ = clock_.mono_now() + pause;
}

void Engine::perform(Effect effect) {
  if (auto* create = std::get_if<SendCreate>(&effect)) {
    const NodeId node = create->sandbox->node;
    effects_.create(std::move(create->sandbox));
    links_.wake(node);
  } else if (auto* remove = std::get_if<SendRemove>(&effect)) {
    effects_.remove(remove->id, remove->uid, remove->node);
  } else if (auto* life = std::get_if<SendLife>(&effect)) {
    effects_.change_life(*life);
  } else if (auto* cancel = std::get_if<CancelRemove>(&effect)) {
    effects_.cancel_remove(cancel->id, cancel->uid, cancel->node);
  } else if (auto* reconcile = std::get_if<SendReconcile>(&effect)) {
    effects_.reconcile(reconcile->node);
  } else if (auto* link = std::get_if<LinkKnown>(&effect)) {
    effects_.set_link(link->node, link->polled ? LinkKind::polled : LinkKind::streamed);
  } else if (auto* open = std::get_if<OpenNode>(&effect)) {
    effects_.set_address(open->node, open->address);
    links_.open(open->node, open->address);
  } else if (auto* close = std::get_if<CloseNode>(&effect)) {
    effects_.forget_node(close->node);
    links_.close(close->node);
  }
}

// A sandbox whose create was not answered yet may be there or not, and so may one that is being removed: about those
// only their own calls are asked.
std::vector<RosterEntry> Engine::roster(const NodeId& node) const {
  using model::Phase;
  std::vector<RosterEntry> out;
  for (const SandboxId& id : state_.on_node(node)) {
    const SandboxRef sandbox = state_.find(id);
    const Phase phase = sandbox->phase;
    RosterEntry entry;
    entry.id = id;
    entry.uid = sandbox->uid;
    entry.ask = phase == Phase::creating || phase == Phase::running || phase == Phase::failed;
    entry.under_way = phase == Phase::scheduled || phase == Phase::creating || awaits_reason(*sandbox);
    out.push_back(std::move(entry));
  }
  return out;
}

}  // namespace sandboxd::orch
