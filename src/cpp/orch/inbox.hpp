// What waits for the engine's next turn: commands of callers and observations of the outside.
//
// Commands are bounded: a full inbox refuses them. Observations are always taken, since they are news that somebody
// already acted on; their sources are bounded instead (calls in flight) or wait for space() (node streams). Core
// thread.
#pragma once

#include "aio/notifier.hpp"
#include "base/limits.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "model/node_event.hpp"
#include "ports/node_transport.hpp"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace sandboxd::orch {

class Engine;

// A watch stream to a node opened, or the node was found to have none and is polled; what it says from here on carries
// this generation.
struct LinkOpened {
  NodeId node;
  std::uint64_t generation = 0;
  bool polled = false;
};
struct NodeSaid {
  NodeId node;
  std::uint64_t generation = 0;
  model::NodeEvent event;
};
struct LinkFailed {
  NodeId node;
  std::string text;
};
// A polled node answered a health probe, or did not.
struct NodeProbed {
  NodeId node;
  std::uint64_t generation = 0;
  Result<void> outcome;
};
// A create on a node ended for good.
struct CreateDone {
  SandboxId id;
  std::string uid;
  NodeId node;
  Result<void> outcome;
};
// A remove succeeded (the node may also be gone for good), or failed and goes on being tried.
struct RemoveDone {
  SandboxId id;
  std::string uid;
  NodeId node;
  Result<void> outcome;
};
// A wish about its life was taken by the node, or never will be.
struct LifeDone {
  SandboxId id;
  std::string uid;
  NodeId node;
  ports::LifeVerb verb = ports::LifeVerb::stop;
  Result<void> outcome;
};
// No report for too long.
struct NodeSilent {
  NodeId node;
};
// The comparison that ends a node's removal.
struct ReconcileDone {
  NodeId node;
  Result<void> outcome;
};
using Observation = std::variant<LinkOpened, NodeSaid, LinkFailed, NodeProbed, CreateDone, RemoveDone, LifeDone,
                                 NodeSilent, ReconcileDone>;

// A caller's wish with the way to answer it.
class Command {
 public:
  virtual ~Command() = default;
  [[nodiscard]] virtual bool writes() const = 0;
  // Runs it against the engine's state and keeps the result.
  virtual void run(Engine& engine) = 0;
  // Answers with the result, or with `failure` in its place. Once.
  virtual void answer(const Error* failure) = 0;
};

using InboxItem = std::variant<std::unique_ptr<Command>, Observation>;

class Inbox {
 public:
  explicit Inbox(boost::asio::any_io_executor executor);

  // Returns when a turn has answered. Errors: those of `function`, resource_exhausted (full), unavailable (closed),
  // storage_failed.
  template <class T>
  [[nodiscard]] Task<Result<T>> submit(std::function<Result<T>(Engine&)> function, bool writes) {
    if (auto refusal = refuse()) co_return std::move(*refusal);
    auto result = co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>&, void(Result<T>)>(
        Enqueue<T>{this, writes}, boost::asio::use_awaitable, std::move(function));
    co_return result;
  }

  void observe(Observation observation);
  // Until commands would be taken.
  [[nodiscard]] Task<void> space();

  // The oldest items, at most `max`.
  [[nodiscard]] std::vector<InboxItem> take(std::size_t max);
  [[nodiscard]] bool empty() const { return items_.empty(); }
  [[nodiscard]] std::size_t size() const { return items_.size(); }
  // Somebody waits for an answer.
  [[nodiscard]] bool has_commands() const { return commands_ > 0; }
  // The first item arrived, or the first command.
  [[nodiscard]] aio::Notifier& arrived() { return arrived_; }
  // Refuses commands from now on; those inside are still served.
  void close() { closed_ = true; }
  [[nodiscard]] bool closed() const { return closed_; }

 private:
  template <class T>
  class FunctionCommand final : public Command {
   public:
    using Handler = boost::asio::any_completion_handler<void(Result<T>)>;
    FunctionCommand(boost::asio::any_io_executor executor, std::function<Result<T>(Engine&)> function, Handler handler,
                    bool writes)
        : executor_(std::move(executor)),
          function_(std::move(function)),
          handler_(std::move(handler)),
          writes_(writes) {}
    bool writes() const override { return writes_; }
    void run(Engine& engine) override { result_.emplace(function_(engine)); }
    void answer(const Error* failure) override {
      if (failure != nullptr) result_.emplace(*failure);
      // Posted: the caller's coroutine must not run inside the engine's turn.
      boost::asio::post(executor_, [handler = std::move(handler_), result = *std::move(result_)]() mutable {
        std::move(handler)(std::move(result));
      });
    }

   private:
    boost::asio::any_io_executor executor_;
    std::function<Result<T>(Engine&)> function_;
    Handler handler_;
    std::optional<Result<T>> result_;
    bool writes_;
  };

  template <class T>
  struct Enqueue {
    Inbox* inbox;
    bool writes;
    template <class Handler>
    void operator()(Handler&& handler, std::function<Result<T>(Engine&)> function) const {
      inbox->push(std::make_unique<FunctionCommand<T>>(inbox->executor_, std::move(function),
                                                       std::forward<Handler>(handler), writes));
    }
  };

  [[nodiscard]] std::optional<Error> refuse() const;
  void push(InboxItem item);

  boost::asio::any_io_executor executor_;
  std::deque<InboxItem> items_;
  std::size_t commands_ = 0;  // among them
  aio::Notifier arrived_;
  aio::Notifier drained_;
  bool closed_ = false;
};

}  // namespace sandboxd::orch
