#include "orch/node_poller.hpp"

#include "aio/deadline.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"

#include <algorithm>

namespace sandboxd::orch {
namespace {

constexpr Log kLog("orch");
constexpr std::size_t kAnsweringMax = 512;
constexpr std::size_t kFailingMax = 64;
constexpr std::size_t kPagesMax = 1000;
// Between two looks while something is under way, and between the probes that make a node Ready.
constexpr Duration kSoon = std::chrono::milliseconds(500);
constexpr Duration kBreath = std::chrono::milliseconds(50);  // however often the roster changes

bool is_silence(const Error& error) {
  return error.code() == ErrorCode::unavailable || error.code() == ErrorCode::deadline_exceeded;
}

// The sandboxd-o orchestrator's reading of a status: a container that is not well makes the sandbox failed.
void judge(model::NodeSandboxStatus& status) {
  if (status.phase == model::Phase::failed || status.containers.empty()) return;
  const model::ContainerStatus& first = status.containers.front();
  status.phase = model::Phase::failed;
  if (!status.error.empty()) return;
  status.error = "container " + first.name;
  status.error +=
      first.error.empty() ? " unhealthy (" + std::string(model::to_string(first.phase)) + ")" : ": " + first.error;
}

}  // namespace

LinkContext::LinkContext(boost::asio::any_io_executor on, ports::NodeTransport& to, ports::Clock& time, Inbox& into,
                         LinkSettings chosen, Roster asked, std::uint64_t seed)
    : executor(on),
      transport(to),
      clock(time),
      inbox(into),
      settings(chosen),
      roster(std::move(asked)),
      random(seed),
      answering(on, kAnsweringMax),
      failing(on, kFailingMax) {}

Duration LinkContext::jittered(Duration length) {
  const auto spread = static_cast<std::uint64_t>(std::max<std::int64_t>(1, length.count() / 8));
  return length - Duration(static_cast<std::int64_t>(random.below(spread)));
}

NodePoller::NodePoller(LinkContext& context, NodeId node, model::NodeAddress address, std::uint64_t generation)
    : context_(context),
      node_(std::move(node)),
      address_(std::move(address)),
      generation_(generation),
      woken_(context.executor),
      reconsidered_(context.executor),
      batch_max_(std::clamp<std::size_t>(context.settings.batch_size, 1, limits::kStatusIdsMax)) {}

void NodePoller::reconsider() {
  ++reconsiderations_;
  reconsidered_.notify();
}

void NodePoller::wake() {
  ++wakes_;
  woken_.notify();
}

template <class T>
Task<Result<T>> NodePoller::ask(Task<Result<T>> question, Duration limit, const char* what) {
  aio::Semaphore& pool = failed_ ? context_.failing : context_.answering;
  auto permit = co_await pool.acquire();
  auto answer = co_await aio::with_deadline(context_.clock, limit, std::move(question), what);
  failed_ = !answer && is_silence(answer.error());
  co_return answer;
}

Task<void> NodePoller::say(model::NodeEvent event) {
  co_await context_.inbox.space();
  context_.inbox.observe(NodeSaid{node_, generation_, std::move(event)});
}

void NodePoller::note(const Error& error) {
  if (noted_ == error.message()) return;
  noted_ = error.message();
  kLog.warn("polled node does not answer as it should", {{"node", node_.str()}, {"error", noted_}});
}

Task<void> NodePoller::watch_health() {
  const LinkSettings& settings = context_.settings;
  for (;;) {
    auto probing = context_.transport.probe(address_);
    auto outcome = co_await ask(std::move(probing), settings.probe_timeout, "health probe");
    if (outcome && context_.clock.mono_now() >= next_resources_) co_await sync_resources();
    if (outcome && !refused_.empty()) outcome = Error(ErrorCode::unauthenticated, refused_);
    successes_ = outcome ? successes_ + 1 : 0;
    const bool is_soon = outcome && successes_ < settings.ready_threshold;
    co_await context_.inbox.space();
    context_.inbox.observe(NodeProbed{node_, generation_, std::move(outcome)});
    const Duration regular = context_.jittered(settings.heartbeat_interval);
    const Duration pause = is_soon ? std::min(kSoon, regular) : regular;
    auto changing = until_reconsidered(*this, reconsiderations_);
    const auto ended = co_await aio::with_deadline(context_.clock, pause, std::move(changing), "pause");
    static_cast<void>(ended);
  }
}

// A node answers its health probe to anybody. That it would take our orders is known when it has shown its resources.
Task<void> NodePoller::sync_resources() {
  auto asking = context_.transport.resources(address_);
  auto resources = co_await ask(std::move(asking), context_.settings.probe_timeout, "node status");
  if (resources) {
    refused_.clear();
    next_resources_ = context_.clock.mono_now() + context_.jittered(context_.settings.resource_interval);
    model::NodeReport report;
    report.resources = *resources;
    co_await say(std::move(report));
  } else if (resources.error().code() == ErrorCode::unauthenticated) {
    refused_ = resources.error().message();
  } else {
    note(resources.error());
  }
}

Task<void> NodePoller::watch_sandboxes() {
  MonoTime next_all = context_.clock.mono_now();
  MonoTime next_sweep = next_all;
  for (;;) {
    const std::uint64_t seen = wakes_;
    const MonoTime begun = context_.clock.mono_now();
    const bool all = begun >= next_all;
    if (all) next_all = begun + context_.jittered(context_.settings.status_interval);
    Entries due;
    bool is_under_way = false;
    for (RosterEntry& entry : context_.roster(node_)) {
      is_under_way = is_under_way || entry.under_way;
      const bool is_due = entry.ask && (all || entry.under_way) && !gone_.contains({entry.id, entry.uid});
      if (is_due) due.push_back(std::move(entry));
    }
    if (!due.empty()) co_await look(std::move(due));
    if (begun >= next_sweep && successes_ > 0) {
      next_sweep = begun + context_.jittered(context_.settings.resource_interval);
      co_await sweep();
    }
    if (seen != wakes_) {
      co_await context_.clock.sleep_for(kBreath);
      continue;
    }
    const MonoTime ended = context_.clock.mono_now();
    // A node that takes long to answer is not asked without a pause.
    Duration pause = std::max(next_all - ended, Duration::zero());
    if (is_under_way) pause = std::min(pause, std::max(kSoon, 2 * (ended - begun)));
    co_await rest(pause);
  }
}

Task<void> NodePoller::rest(Duration length) {
  auto waking = until_woken(*this, wakes_);
  const auto ended = co_await aio::with_deadline(context_.clock, length, std::move(waking), "pause");
  static_cast<void>(ended);
}

Task<Result<void>> NodePoller::until_woken(NodePoller& poller, std::uint64_t seen) {
  while (poller.wakes_ == seen) co_await poller.woken_.wait();
  co_return Result<void>();
}

Task<Result<void>> NodePoller::until_reconsidered(NodePoller& poller, std::uint64_t seen) {
  while (poller.reconsiderations_ == seen) co_await poller.reconsidered_.wait();
  co_return Result<void>();
}

std::vector<NodePoller::Entries> NodePoller::batches_of(const Entries& entries) const {
  std::vector<Entries> out;
  Entries batch;
  for (const RosterEntry& entry : entries) {
    if (spoilers_.contains(entry.id)) {
      out.push_back({entry});
      continue;
    }
    batch.push_back(entry);
    if (batch.size() == batch_max_) out.push_back(std::exchange(batch, {}));
  }
  if (!batch.empty()) out.push_back(std::move(batch));
  return out;
}

Task<void> NodePoller::look(Entries entries) {
  std::vector<Entries> rest = batches_of(entries);
  while (!rest.empty()) {
    Entries batch = std::move(rest.back());
    rest.pop_back();
    const bool answered = co_await look_at_batch(std::move(batch), rest);
    if (!answered) co_return;
  }
}

Task<bool> NodePoller::look_at_batch(Entries batch, std::vector<Entries>& rest) {
  std::vector<SandboxId> ids;
  for (const RosterEntry& entry : batch) ids.push_back(entry.id);
  auto asking = context_.transport.statuses(address_, std::move(ids));
  auto answer = co_await ask(std::move(asking), context_.settings.status_timeout, "sandbox statuses");
  if (answer) {
    if (batch.size() == 1) spoilers_.erase(batch.front().id);
    co_await tell(batch, *std::move(answer));
    co_return true;
  }
  note(answer.error());
  if (answer.error().code() == ErrorCode::deadline_exceeded) batch_max_ = std::max<std::size_t>(1, batch.size() / 2);
  if (is_silence(answer.error())) co_return false;
  if (batch.size() == 1) {
    spoilers_.insert(batch.front().id);
    co_return true;
  }
  // One id that the node cannot answer for spoils them all: halve until it is alone.
  const auto middle = batch.begin() + static_cast<std::ptrdiff_t>(batch.size() / 2);
  rest.emplace_back(batch.begin(), middle);
  rest.emplace_back(middle, batch.end());
  co_return true;
}

Task<void> NodePoller::tell(const Entries& batch, ports::SandboxStatuses answer) {
  std::map<SandboxId, const RosterEntry*> asked;
  for (const RosterEntry& entry : batch) asked[entry.id] = &entry;
  for (model::NodeSandboxStatus& status : answer.items) {
    const auto found = asked.find(status.id);
    if (found == asked.end()) continue;
    // The node knows no uids. The life that was meant had been taken on before the question left.
    status.uid = found->second->uid;
    judge(status);
    co_await say(std::move(status));
  }
  for (const SandboxId& id : answer.missing) {
    const auto found = asked.find(id);
    if (found != asked.end()) co_await settle(*found->second);
  }
}

// Said to be missing, or to be of another life: asked for by itself before it is called gone.
Task<void> NodePoller::settle(RosterEntry entry) {
  auto asking = context_.transport.find_sandbox(address_, entry.id);
  auto found = co_await ask(std::move(asking), context_.settings.status_timeout, "sandbox");
  if (!found || (*found && (*found)->uid == entry.uid)) co_return;
  gone_.insert({entry.id, entry.uid});
  co_await say(model::NodeSandboxGone{entry.id, entry.uid});
}

// Everything that the node has: what carries our mark and is not on the roster is told, for the engine to judge.
Task<void> NodePoller::sweep() {
  std::string cursor;
  for (std::size_t pages = 0; pages < kPagesMax; ++pages) {
    auto asking = context_.transport.list_sandboxes(address_, cursor);
    auto page = co_await ask(std::move(asking), context_.settings.status_timeout, "list of sandboxes");
    if (!page) {
      note(page.error());
      co_return;
    }
    std::map<SandboxId, RosterEntry> believed;
    for (RosterEntry& entry : context_.roster(node_)) believed[entry.id] = std::move(entry);
    for (model::NodeSandboxStatus& item : page->items) {
      const auto known = believed.find(item.id);
      const bool is_other_life = known != believed.end() && known->second.uid != item.uid;
      if (known != believed.end() && !is_other_life) continue;
      if (is_other_life && known->second.ask) co_await settle(known->second);
      if (!item.uid.empty()) co_await say(std::move(item));
    }
    cursor = page->next_cursor;
    if (cursor.empty()) break;
  }
  // Lives that are over need not be remembered.
  std::set<std::pair<SandboxId, std::string>> still;
  for (const RosterEntry& entry : context_.roster(node_)) {
    if (gone_.contains({entry.id, entry.uid})) still.insert({entry.id, entry.uid});
  }
  gone_ = std::move(still);
  noted_.clear();
}

}  // namespace sandboxd::orch
