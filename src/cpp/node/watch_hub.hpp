// Hands every change to every subscriber, in order and without loss: a subscriber whose backlog is full is cut off and
// told so, never skipped. Owned by the agent; core thread only. Subscribers may outlive it: their next() then fails.
#pragma once

#include "base/result.hpp"
#include "ports/node_transport.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <vector>

namespace sandboxd::node {

class WatchHub {
 public:
  explicit WatchHub(boost::asio::any_io_executor executor);
  ~WatchHub();

  // `first` is delivered before anything that is published later; it does not count as backlog.
  // Errors: resource_exhausted when there are too many subscribers.
  [[nodiscard]] Result<std::unique_ptr<ports::NodeWatch>> subscribe(std::vector<ports::NodeEvent> first);
  void publish(const ports::NodeEvent& event);
  [[nodiscard]] std::size_t size();
  // Ends all subscriptions with `unavailable`, and all later ones.
  void close();

 private:
  struct Subscriber;
  class Watch;

  boost::asio::any_io_executor executor_;
  std::vector<std::weak_ptr<Subscriber>> subscribers_;
  bool closed_ = false;
};

}  // namespace sandboxd::node
