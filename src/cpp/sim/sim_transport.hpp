// The network between a control plane and its nodes, in one process: delay, loss, duplication, late messages, slow
// links, one-way cuts, broken streams. Everything is drawn from one seed.
//
// A request that has left is on its way whatever happens to its sender: a control plane that dies, or stops waiting,
// does not take it back. That is how late creates come about. One thread.
#pragma once

#include "aio/notifier.hpp"
#include "aio/task_group.hpp"
#include "base/random.hpp"
#include "ports/clock.hpp"
#include "ports/node_transport.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace sandboxd::sim {

// A node's face to the network. Attached while its process runs.
class SimNodeServer {
 public:
  virtual ~SimNodeServer() = default;
  [[nodiscard]] virtual Task<Result<void>> create(model::NodeCreateRequest request) = 0;
  [[nodiscard]] virtual Task<Result<void>> remove(SandboxId id, std::string uid) = 0;
  [[nodiscard]] virtual Task<Result<void>> change_life(SandboxId id, std::string uid, ports::LifeVerb verb,
                                                       std::int64_t order);
  // Errors: unsupported for a node that is polled.
  [[nodiscard]] virtual Result<std::unique_ptr<ports::NodeWatch>> subscribe() = 0;
  // A call of its HTTP API that is passed through. Nothing is there unless a server overrides this: 404.
  [[nodiscard]] virtual Task<Result<ports::NodeAnswer>> call(ports::NodeCall call);

  // Asked of polled nodes only; the others need not know them.
  [[nodiscard]] virtual Result<void> probe() { return {}; }
  [[nodiscard]] virtual Result<model::NodeResources> resources() { return not_polled(); }
  [[nodiscard]] virtual Result<ports::SandboxStatuses> statuses(const std::vector<SandboxId>&) { return not_polled(); }
  [[nodiscard]] virtual Result<std::optional<model::NodeSandboxStatus>> find(const SandboxId&) { return not_polled(); }
  [[nodiscard]] virtual Result<ports::SandboxPage> list(const std::string&) { return not_polled(); }
  [[nodiscard]] virtual Result<void> reconcile() { return {}; }

 private:
  static Error not_polled() { return {ErrorCode::unsupported, "this node reports by itself"}; }
};

struct SimTransportOptions {
  Duration delay_min = std::chrono::microseconds(200);
  Duration delay_spread = std::chrono::milliseconds(3);
  std::uint64_t loss_permille = 0;                 // of requests, and of answers
  std::uint64_t duplicate_permille = 0;            // of requests
  std::uint64_t late_permille = 0;                 // of requests, and of answers: overtaken by others
  Duration late_max = std::chrono::seconds(12);    // longer than a sender waits
  Duration reset_after = std::chrono::seconds(5);  // when a sender notices that nothing comes back
};

struct SimTransportCounts {
  std::uint64_t lost = 0;
  std::uint64_t doubled = 0;
  std::uint64_t late = 0;
};

class SimTransport final : public ports::NodeTransport {
 public:
  SimTransport(boost::asio::any_io_executor executor, ports::Clock& clock, std::uint64_t seed);

  SimTransportOptions options;

  // Nodes are told apart by their port. Detaching breaks its streams and refuses calls.
  void attach(int port, std::shared_ptr<SimNodeServer> server);
  void detach(int port);
  // Requests, or answers and events, get no further. Both may be cut.
  void cut(int port, bool to_node, bool from_node);
  // Everything to and from the node takes so much longer.
  void slow(int port, Duration by) { peers_[port].slow = by; }
  void break_streams(int port);
  // Ends what is on its way, at the end of a simulation.
  void cancel();
  [[nodiscard]] Task<void> join();
  [[nodiscard]] const SimTransportCounts& counts() const { return counts_; }

  [[nodiscard]] Task<Result<void>> create_sandbox(model::NodeAddress node, model::NodeCreateRequest request) override;
  [[nodiscard]] Task<Result<void>> remove_sandbox(model::NodeAddress node, SandboxId id, std::string uid) override;
  [[nodiscard]] Task<Result<void>> change_life(model::NodeAddress node, SandboxId id, std::string uid,
                                               ports::LifeVerb verb, std::int64_t order) override;
  [[nodiscard]] Task<Result<std::unique_ptr<ports::NodeWatch>>> watch(model::NodeAddress node) override;
  [[nodiscard]] Task<Result<ports::NodeAnswer>> call(model::NodeAddress node, ports::NodeCall call) override;
  // Simulated nodes have no HTTP: unsupported.
  [[nodiscard]] Task<Result<std::unique_ptr<ports::NodeStream>>> stream(model::NodeAddress node,
                                                                        ports::NodeCall call) override;
  [[nodiscard]] Task<Result<void>> probe(model::NodeAddress node) override;
  [[nodiscard]] Task<Result<model::NodeResources>> resources(model::NodeAddress node) override;
  [[nodiscard]] Task<Result<ports::SandboxStatuses>> statuses(model::NodeAddress node,
                                                              std::vector<SandboxId> ids) override;
  [[nodiscard]] Task<Result<std::optional<model::NodeSandboxStatus>>> find_sandbox(model::NodeAddress node,
                                                                                   SandboxId id) override;
  [[nodiscard]] Task<Result<ports::SandboxPage>> list_sandboxes(model::NodeAddress node, std::string cursor) override;
  [[nodiscard]] Task<Result<void>> reconcile(model::NodeAddress node) override;

 private:
  struct Stream;
  class Watch;
  struct Peer {
    std::shared_ptr<SimNodeServer> server;
    bool cut_to = false;
    bool cut_from = false;
    Duration slow{};
    std::vector<std::weak_ptr<Stream>> streams;
  };
  struct Reply {
    explicit Reply(boost::asio::any_io_executor executor) : changed(std::move(executor)) {}
    aio::Notifier changed;
    std::optional<Result<void>> result;
  };
  using Work = std::function<Task<Result<void>>(SimNodeServer&)>;

  [[nodiscard]] Task<Result<void>> call(int port, Work work);
  // A question changes nothing, so that it need not outlive who asked: no duplicates, and it may be lost once.
  template <class T>
  [[nodiscard]] Task<Result<T>> question(int port, std::function<Result<T>(SimNodeServer&)> ask);
  [[nodiscard]] Task<void> deliver(int port, Work work, std::shared_ptr<Reply> reply);
  [[nodiscard]] static Task<Result<void>> await_reply(std::shared_ptr<Reply> reply);
  [[nodiscard]] Task<void> pump(int port, std::unique_ptr<ports::NodeWatch> inner, std::shared_ptr<Stream> stream);
  [[nodiscard]] Duration draw_delay(int port);
  // The same for a message, which may be late.
  [[nodiscard]] Duration draw_message_delay(int port);
  [[nodiscard]] bool draw_fault(std::uint64_t permille, std::uint64_t& count);
  void end_streams(Peer& peer);

  boost::asio::any_io_executor executor_;
  ports::Clock& clock_;
  Random random_;
  std::map<int, Peer> peers_;
  SimTransportCounts counts_;
  aio::TaskGroup on_its_way_;
};

}  // namespace sandboxd::sim
