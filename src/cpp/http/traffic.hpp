// What a listener has done, for metrics. Labels are bounded: routes are those of the router, whatever clients ask for.
// Core thread.
#pragma once

#include "base/histogram.hpp"
#include "http/message.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace sandboxd::http {

struct RouteTraffic {
  std::map<int, std::uint64_t> answers;  // by status
  Histogram latency;                     // from a request's first byte to the last of its answer; without streams
};

class Traffic {
 public:
  // `route` is nullptr for requests that no route took: unknown paths and what was malformed.
  void answered(const Route* route, int status) { ++at(route).answers[status]; }
  void took(const Route* route, Duration latency) { at(route).latency.add(latency); }

  // By pattern and method; both are empty for what no route took.
  [[nodiscard]] const std::map<std::pair<std::string, std::string>, RouteTraffic>& routes() const { return routes_; }

  std::size_t connections = 0;  // open now
  std::uint64_t accepted = 0;   // connections since the start
  std::uint64_t refused = 0;    // over the limit, told so or just closed
  std::uint64_t evicted = 0;    // idle ones that made room
  std::uint64_t timed_out = 0;  // requests that did not arrive in time, answers that nobody took
  std::size_t streams = 0;      // answers without an end that are open now

 private:
  RouteTraffic& at(const Route* route) {
    const auto known = known_.find(route);
    if (known != known_.end()) return *known->second;
    RouteTraffic& fresh = route == nullptr ? routes_[{}] : routes_[{route->pattern, route->method}];
    known_[route] = &fresh;
    return fresh;
  }

  std::map<std::pair<std::string, std::string>, RouteTraffic> routes_;
  std::map<const Route*, RouteTraffic*> known_;
};

}  // namespace sandboxd::http
