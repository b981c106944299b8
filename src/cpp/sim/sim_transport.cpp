#include "sim/sim_transport.hpp"

#include "aio/deadline.hpp"

#include <deque>

namespace sandboxd::sim {
namespace {

Error refused() { return {ErrorCode::unavailable, "connection refused"}; }
Error reset() { return {ErrorCode::unavailable, "connection reset"}; }

}  // namespace

Task<Result<ports::NodeAnswer>> SimNodeServer::call(ports::NodeCall call) {
  ports::NodeAnswer answer;
  answer.status = 404;
  answer.status_text = "404 Not Found";
  answer.code = ErrorCode::not_found;
  answer.body = "no " + call.method + " " + call.path + " on a simulated node";
  co_return answer;
}

// One open stream: the pump fills it at the node's end, the watch reads it at the other.
struct SimTransport::Stream {
  explicit Stream(const boost::asio::any_io_executor& executor) : changed(executor), pump(executor) {}

  void end() {
    broken = true;
    pump.cancel();
    changed.notify();
  }

  std::deque<ports::NodeEvent> events;
  bool broken = false;
  aio::Notifier changed;
  aio::TaskGroup pump;
};

class SimTransport::Watch final : public ports::NodeWatch {
 public:
  explicit Watch(std::shared_ptr<Stream> stream) : stream_(std::move(stream)) {}
  ~Watch() override { stream_->end(); }

  Task<Result<ports::NodeEvent>> next() override {
    auto stream = stream_;
    for (;;) {
      if (!stream->events.empty()) {
        ports::NodeEvent event = std::move(stream->events.front());
        stream->events.pop_front();
        co_return event;
      }
      if (stream->broken) co_return reset();
      co_await stream->changed.wait();
    }
  }

 private:
  std::shared_ptr<Stream> stream_;
};

SimTransport::SimTransport(boost::asio::any_io_executor executor, ports::Clock& clock, std::uint64_t seed)
    : executor_(executor), clock_(clock), random_(seed), on_its_way_(executor) {}

void SimTransport::attach(int port, std::shared_ptr<SimNodeServer> server) { peers_[port].server = std::move(server); }

void SimTransport::detach(int port) {
  Peer& peer = peers_[port];
  peer.server.reset();
  end_streams(peer);
}

void SimTransport::cut(int port, bool to_node, bool from_node) {
  peers_[port].cut_to = to_node;
  peers_[port].cut_from = from_node;
}

void SimTransport::break_streams(int port) { end_streams(peers_[port]); }

void SimTransport::end_streams(Peer& peer) {
  for (const auto& entry : std::exchange(peer.streams, {})) {
    if (const auto stream = entry.lock()) stream->end();
  }
}

void SimTransport::cancel() {
  for (auto& [port, peer] : peers_) end_streams(peer);
  on_its_way_.cancel();
}

Task<void> SimTransport::join() { co_await on_its_way_.join(); }

Duration SimTransport::draw_delay(int port) {
  return options.delay_min + peers_[port].slow +
         Duration(
             static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(options.delay_spread.count()) + 1)));
}

Duration SimTransport::draw_message_delay(int port) {
  const Duration delay = draw_delay(port);
  if (!draw_fault(options.late_permille, counts_.late)) return delay;
  return delay +
         Duration(static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(options.late_max.count()))));
}

bool SimTransport::draw_fault(std::uint64_t permille, std::uint64_t& count) {
  const bool happens = permille > 0 && random_.chance(permille);
  if (happens) ++count;
  return happens;
}

Task<Result<void>> SimTransport::call(int port, Work work) {
  auto reply = std::make_shared<Reply>(executor_);
  on_its_way_.spawn("simulated request", deliver(port, work, reply));
  if (draw_fault(options.duplicate_permille, counts_.doubled)) {
    auto nobody = std::make_shared<Reply>(executor_);
    on_its_way_.spawn("simulated duplicate", deliver(port, std::move(work), nobody));
  }
  auto waiting = await_reply(reply);
  auto answer = co_await aio::with_deadline(clock_, options.reset_after, std::move(waiting), "simulated call");
  if (!answer && answer.error().code() == ErrorCode::deadline_exceeded) co_return reset();
  co_return answer;
}

Task<Result<void>> SimTransport::await_reply(std::shared_ptr<Reply> reply) {
  while (!reply->result) co_await reply->changed.wait();
  co_return *reply->result;
}

Task<void> SimTransport::deliver(int port, Work work, std::shared_ptr<Reply> reply) {
  const Duration there = draw_message_delay(port);
  const bool is_lost = draw_fault(options.loss_permille, counts_.lost);
  co_await clock_.sleep_for(there);
  if (is_lost || peers_[port].cut_to) co_return;
  const auto server = peers_[port].server;
  Result<void> result = refused();
  if (server) {
    auto outcome = co_await work(*server);
    result = std::move(outcome);
  }
  const Duration back = draw_message_delay(port);
  const bool is_answer_lost = draw_fault(options.loss_permille, counts_.lost);
  co_await clock_.sleep_for(back);
  if (is_answer_lost || peers_[port].cut_from) co_return;
  reply->result = std::move(result);
  reply->changed.notify();
}

Task<Result<void>> SimTransport::create_sandbox(model::NodeAddress node, model::NodeCreateRequest request) {
  Work work = [request = std::move(request)](SimNodeServer& server) { return server.create(request); };
  return call(node.port, std::move(work));
}

Task<Result<void>> SimTransport::remove_sandbox(model::NodeAddress node, SandboxId id, std::string uid) {
  Work work = [id = std::move(id), uid = std::move(uid)](SimNodeServer& server) { return server.remove(id, uid); };
  return call(node.port, std::move(work));
}

Task<Result<void>> SimNodeServer::change_life(SandboxId, std::string, ports::LifeVerb, std::int64_t) {
  co_return Error(ErrorCode::unsupported, "this node knows nothing of pausing and stopping");
}

Task<Result<void>> SimTransport::change_life(model::NodeAddress node, SandboxId id, std::string uid,
                                             ports::LifeVerb verb, std::int64_t order) {
  Work work = [id = std::move(id), uid = std::move(uid), verb, order](SimNodeServer& server) {
    return server.change_life(id, uid, verb, order);
  };
  return call(node.port, std::move(work));
}

Task<Result<std::unique_ptr<ports::NodeWatch>>> SimTransport::watch(model::NodeAddress node) {
  const Duration there = draw_delay(node.port);
  co_await clock_.sleep_for(there);
  Peer& peer = peers_[node.port];
  if (peer.cut_to || peer.cut_from) {
    co_await clock_.sleep_for(options.reset_after);
    co_return reset();
  }
  if (!peer.server) co_return refused();
  SBX_CO_TRY(inner, peer.server->subscribe());
  auto stream = std::make_shared<Stream>(executor_);
  std::erase_if(peer.streams, [](const auto& entry) { return entry.expired(); });
  peer.streams.push_back(stream);
  stream->pump.spawn("simulated stream", pump(node.port, std::move(inner), stream));
  std::unique_ptr<ports::NodeWatch> out = std::make_unique<Watch>(stream);
  co_return out;
}

// Keeps the order, as a connection does; a cut holds events back until the stream breaks or the cut ends.
Task<void> SimTransport::pump(int port, std::unique_ptr<ports::NodeWatch> inner, std::shared_ptr<Stream> stream) {
  while (!stream->broken) {
    auto event = co_await inner->next();
    if (!event) break;
    const Duration delay = draw_delay(port);
    co_await clock_.sleep_for(delay);
    while (peers_[port].cut_from) co_await clock_.sleep_for(std::chrono::milliseconds(200));
    stream->events.push_back(*std::move(event));
    stream->changed.notify();
  }
  stream->broken = true;
  stream->changed.notify();
}

Task<Result<ports::NodeAnswer>> SimTransport::call(model::NodeAddress node, ports::NodeCall call) {
  const Duration there = draw_delay(node.port);
  const Duration back = draw_delay(node.port);
  co_await clock_.sleep_for(there);
  const Peer& peer = peers_[node.port];
  if (peer.cut_to || peer.cut_from) {
    co_await clock_.sleep_for(options.reset_after);
    co_return reset();
  }
  const auto server = peer.server;
  if (!server) co_return refused();
  auto answer = co_await server->call(std::move(call));
  co_await clock_.sleep_for(back);
  co_return answer;
}

Task<Result<std::unique_ptr<ports::NodeStream>>> SimTransport::stream(model::NodeAddress node, ports::NodeCall call) {
  co_await clock_.sleep_for(draw_delay(node.port));
  co_return Error(ErrorCode::unsupported, "no stream " + call.path + " on a simulated node");
}

template <class T>
Task<Result<T>> SimTransport::question(int port, std::function<Result<T>(SimNodeServer&)> ask) {
  const Duration there = draw_delay(port);  // and back
  const bool is_lost = draw_fault(options.loss_permille, counts_.lost);
  co_await clock_.sleep_for(there);
  const Peer& peer = peers_[port];
  if (is_lost || peer.cut_to || peer.cut_from) {
    co_await clock_.sleep_for(options.reset_after);
    co_return reset();
  }
  const auto server = peers_[port].server;
  if (!server) co_return refused();
  co_return ask(*server);
}

Task<Result<void>> SimTransport::probe(model::NodeAddress node) {
  return question<void>(node.port, [](SimNodeServer& server) { return server.probe(); });
}

Task<Result<model::NodeResources>> SimTransport::resources(model::NodeAddress node) {
  return question<model::NodeResources>(node.port, [](SimNodeServer& server) { return server.resources(); });
}

Task<Result<ports::SandboxStatuses>> SimTransport::statuses(model::NodeAddress node, std::vector<SandboxId> ids) {
  return question<ports::SandboxStatuses>(
      node.port, [ids = std::move(ids)](SimNodeServer& server) { return server.statuses(ids); });
}

Task<Result<std::optional<model::NodeSandboxStatus>>> SimTransport::find_sandbox(model::NodeAddress node,
                                                                                 SandboxId id) {
  return question<std::optional<model::NodeSandboxStatus>>(
      node.port, [id = std::move(id)](SimNodeServer& server) { return server.find(id); });
}

Task<Result<ports::SandboxPage>> SimTransport::list_sandboxes(model::NodeAddress node, std::string cursor) {
  return question<ports::SandboxPage>(
      node.port, [cursor = std::move(cursor)](SimNodeServer& server) { return server.list(cursor); });
}

Task<Result<void>> SimTransport::reconcile(model::NodeAddress node) {
  return question<void>(node.port, [](SimNodeServer& server) { return server.reconcile(); });
}

}  // namespace sandboxd::sim
