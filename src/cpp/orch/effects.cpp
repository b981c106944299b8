#include "orch/effects.hpp"

#include "aio/deadline.hpp"
#include "base/limits.hpp"
#include "base/log.hpp"
#include "orch/polled_calls.hpp"

#include <algorithm>

namespace sandboxd::orch {
namespace {

constexpr Log kLog("orch");
constexpr Duration kPauseMin = std::chrono::milliseconds(200);
constexpr Duration kPauseMax = std::chrono::seconds(10);
// A node that is there is linked within moments of a start; after this a call counts as failed.
constexpr Duration kLinkWait = std::chrono::seconds(10);

constexpr int kCapacityAttempts = 6;

// After these nobody knows whether the node did it; everything else is its answer. "No room" is believed only when it
// is said again and again: the node may still be clearing away what was deleted.
bool is_worth_retrying(const Error& error, int attempts) {
  if (error.code() == ErrorCode::resource_exhausted) return attempts < kCapacityAttempts;
  return error.code() == ErrorCode::unavailable || error.code() == ErrorCode::deadline_exceeded ||
         error.code() == ErrorCode::cancelled || error.code() == ErrorCode::protocol_error;
}

}  // namespace

class Effects::Waiting {
 public:
  Waiting(std::map<NodeId, std::set<SandboxId>>& lanes, const Job& job) : lanes_(lanes), node_(job.node), id_(job.id) {
    lanes_[node_].insert(id_);
  }
  ~Waiting() {
    const auto found = lanes_.find(node_);
    found->second.erase(id_);
    if (found->second.empty()) lanes_.erase(found);
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

 private:
  std::map<NodeId, std::set<SandboxId>>& lanes_;
  NodeId node_;
  SandboxId id_;
};

Effects::Effects(boost::asio::any_io_executor executor, ports::NodeTransport& transport, ports::Clock& clock,
                 Inbox& inbox, Duration call_timeout, std::uint64_t seed)
    : executor_(executor),
      transport_(transport),
      clock_(clock),
      inbox_(inbox),
      call_timeout_(call_timeout),
      random_(seed),
      calls_(executor) {}

void Effects::set_address(const NodeId& node, model::NodeAddress address) {
  auto& known = addresses_[node];
  if (known != address) links_.erase(node);  // another program may listen there
  known = std::move(address);
  retry_now(node);
}

void Effects::forget_node(const NodeId& node) {
  addresses_.erase(node);
  links_.erase(node);
  permits_.erase(node);
  retry_now(node);
}

void Effects::set_link(const NodeId& node, LinkKind kind) {
  if (!addresses_.contains(node)) return;
  links_[node] = kind;
  retry_now(node);
}

LinkKind Effects::link_of(const NodeId& node) const {
  const auto found = links_.find(node);
  return found == links_.end() ? LinkKind::unknown : found->second;
}

void Effects::create(SandboxRef sandbox) {
  auto job = std::make_shared<Job>();
  job->kind = Kind::create;
  job->id = sandbox->id;
  job->uid = sandbox->uid;
  job->node = sandbox->node;
  job->sandbox = std::move(sandbox);
  enqueue(std::move(job));
}

void Effects::remove(const SandboxId& id, const std::string& uid, const NodeId& node) {
  auto job = std::make_shared<Job>();
  job->id = id;
  job->uid = uid;
  job->node = node;
  enqueue(std::move(job));
}

void Effects::change_life(const SendLife& wish) {
  auto job = std::make_shared<Job>();
  job->kind = Kind::life;
  job->id = wish.id;
  job->uid = wish.uid;
  job->node = wish.node;
  job->verb = wish.verb;
  job->order = wish.order;
  enqueue(std::move(job));
}

void Effects::cancel_remove(const SandboxId& id, const std::string& uid, const NodeId& node) {
  const auto found = lanes_.find({id, node});
  if (found == lanes_.end()) return;
  for (const auto& job : found->second->jobs) {
    if (job->kind == Kind::remove && job->uid == uid) job->abandoned = true;
  }
  kick(*found->second);
}

void Effects::reconcile(const NodeId& node) { calls_.spawn("reconcile", send_reconcile(node)); }

Task<void> Effects::send_reconcile(NodeId node) {
  const auto found = addresses_.find(node);
  if (found == addresses_.end()) co_return;
  auto work = transport_.reconcile(found->second);
  auto outcome = co_await aio::with_deadline(clock_, call_timeout_, std::move(work), "reconcile");
  inbox_.observe(ReconcileDone{node, std::move(outcome)});
}

void Effects::enqueue(std::shared_ptr<Job> job) {
  const LaneKey key{job->id, job->node};
  auto& slot = lanes_[key];
  const bool is_new = !slot;
  if (is_new) slot = std::make_shared<Lane>(executor_);
  const std::shared_ptr<Lane> lane = slot;
  if (!make_way(*lane, *job)) return kick(*lane);
  lane->jobs.push_back(std::move(job));
  kick(*lane);
  if (is_new) calls_.spawn("node calls", drive(key, lane));
}

bool Effects::make_way(const Lane& lane, const Job& job) {
  for (const auto& waiting : lane.jobs) {
    if (waiting->uid != job.uid || waiting->abandoned) continue;
    if (waiting->kind == Kind::remove && job.kind != Kind::remove) return false;  // the remove wins
    const bool is_same = waiting->kind == job.kind && (job.kind != Kind::life || waiting->verb == job.verb);
    if (is_same) {
      waiting->order = std::max(waiting->order, job.order);
      return false;  // asked for already
    }
    const bool stays = waiting->kind == Kind::create && job.kind == Kind::life;
    if (!stays) waiting->abandoned = true;
  }
  return true;
}

const char* Effects::name_of(const Job& job) {
  switch (job.kind) {
    case Kind::create: return "create sandbox";
    case Kind::remove: return "remove sandbox";
    case Kind::life: return "change sandbox";
  }
  return "";
}

void Effects::kick(Lane& lane) {
  ++lane.kicks;
  lane.kicked.notify();
}

void Effects::retry_now(const NodeId& node) {
  const auto found = waiting_.find(node);
  if (found == waiting_.end()) return;
  for (const SandboxId& id : found->second) kick(*lanes_.at({id, node}));
}

Task<void> Effects::drive(LaneKey key, std::shared_ptr<Lane> lane) {
  while (!lane->jobs.empty()) {
    auto job = lane->jobs.front();
    co_await perform(lane, job);
    lane->jobs.pop_front();
  }
  lanes_.erase(key);
}

Task<void> Effects::perform(std::shared_ptr<Lane> lane, std::shared_ptr<Job> job) {
  for (int attempts = 1;; ++attempts) {
    if (job->abandoned) co_return;
    const auto found = addresses_.find(job->node);
    if (found == addresses_.end()) {
      if (job->kind == Kind::remove) finish(*job, {});
      co_return;
    }
    auto outcome = co_await attempt(lane, job);
    if (outcome || (job->kind != Kind::remove && !is_worth_retrying(outcome.error(), attempts))) {
      finish(*job, outcome);
      co_return;
    }
    if (job->abandoned) co_return;
    if (job->kind == Kind::remove && job->last_error != outcome.error().message()) {
      job->last_error = outcome.error().message();
      finish(*job, outcome);
    }
    if (attempts == 1 || attempts % 16 == 0) {
      kLog.warn("node call failed; will retry", {{"sandbox", job->id.str()},
                                                 {"node", job->node.str()},
                                                 {"call", name_of(*job)},
                                                 {"attempts", attempts},
                                                 {"error", outcome.error().message()}});
    }
    if (job->abandoned) co_return;
    co_await pause(lane, job, attempts);
  }
}

Task<Result<void>> Effects::until_linked(Effects& effects, std::shared_ptr<Lane> lane, std::shared_ptr<Job> job) {
  while (!job->abandoned && effects.addresses_.contains(job->node) && effects.link_of(job->node) == LinkKind::unknown) {
    co_await lane->kicked.wait();
  }
  co_return Result<void>();
}

Task<Result<void>> Effects::attempt(std::shared_ptr<Lane> lane, std::shared_ptr<Job> job) {
  if (link_of(job->node) == LinkKind::unknown) {
    const Waiting waiting(waiting_, *job);
    auto linking = until_linked(*this, lane, job);
    const auto linked = co_await aio::with_deadline(clock_, kLinkWait, std::move(linking), "link");
    if (!linked) co_return Error(ErrorCode::unavailable, "node " + job->node.str() + " does not answer");
  }
  auto& slot = permits_[job->node];
  if (!slot) slot = std::make_shared<aio::Semaphore>(executor_, limits::kNodeCallsMax);
  const auto semaphore = slot;
  auto permit = co_await semaphore->acquire();
  const auto found = addresses_.find(job->node);
  if (job->abandoned || found == addresses_.end()) co_return Error(ErrorCode::cancelled, "given up");
  auto work = call(job, found->second, link_of(job->node));
  auto outcome = co_await aio::with_deadline(clock_, call_timeout_, std::move(work), name_of(*job));
  co_return outcome;
}

Task<Result<void>> Effects::refuse_life(std::shared_ptr<Job> job) {
  co_return Error(ErrorCode::unsupported, "node " + job->node.str() + " cannot " + std::string(to_string(job->verb)) +
                                              " a sandbox (a stock sandboxd-o node)");
}

Task<Result<void>> Effects::call(std::shared_ptr<Job> job, model::NodeAddress address, LinkKind kind) {
  if (job->kind == Kind::life) {
    if (kind == LinkKind::polled) return refuse_life(job);
    return transport_.change_life(std::move(address), job->id, job->uid, job->verb, job->order);
  }
  if (job->kind == Kind::remove) {
    if (kind == LinkKind::polled) return remove_polled(transport_, std::move(address), job->id, job->uid);
    return transport_.remove_sandbox(std::move(address), job->id, job->uid);
  }
  model::NodeCreateRequest request;
  request.id = job->id;
  request.uid = job->uid;
  request.spec = job->sandbox->spec;
  request.ports = job->sandbox->ports;
  if (kind == LinkKind::polled) return create_polled(transport_, std::move(address), std::move(request));
  return transport_.create_sandbox(std::move(address), std::move(request));
}

Task<Result<void>> Effects::until_kicked(std::shared_ptr<Lane> lane, std::uint64_t seen) {
  while (lane->kicks == seen) co_await lane->kicked.wait();
  co_return Result<void>();
}

Task<void> Effects::pause(std::shared_ptr<Lane> lane, std::shared_ptr<Job> job, int attempts) {
  const Waiting waiting(waiting_, *job);
  const Duration longest = std::min(kPauseMax, kPauseMin * (1 << std::min(attempts - 1, 10)));
  // Between half and all of it, so that many lanes do not come back at once.
  const auto half = static_cast<std::uint64_t>(longest.count() / 2);
  const Duration length(static_cast<std::int64_t>(half + random_.below(half + 1)));
  auto kicked = until_kicked(lane, lane->kicks);
  const auto ended = co_await aio::with_deadline(clock_, length, std::move(kicked), "pause");
  static_cast<void>(ended);
}

void Effects::finish(const Job& job, Result<void> outcome) {
  if (job.kind == Kind::life) {
    // A wish that another has taken the place of is nobody's any more.
    if (!job.abandoned) inbox_.observe(LifeDone{job.id, job.uid, job.node, job.verb, std::move(outcome)});
  } else if (job.kind == Kind::create) {
    inbox_.observe(CreateDone{job.id, job.uid, job.node, std::move(outcome)});
  } else {
    inbox_.observe(RemoveDone{job.id, job.uid, job.node, std::move(outcome)});
  }
}

Task<void> Effects::join() { co_await calls_.join(); }

}  // namespace sandboxd::orch
