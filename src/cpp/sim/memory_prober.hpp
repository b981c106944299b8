// ports::Prober with answers laid out beforehand, for tests and the simulator. One thread.
#pragma once

#include "ports/clock.hpp"
#include "ports/prober.hpp"

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace sandboxd::sim {

class MemoryProber final : public ports::Prober {
 public:
  explicit MemoryProber(ports::Clock& clock) : clock_(clock) {}

  // Every target answers well unless told otherwise. `ok` false: "connection refused" for this address and port.
  void answer(const std::string& ip, int port, bool ok) { fixed_[{ip, port}] = ok; }
  // The answers to the next probes of any target, one after another; an empty text is success.
  void script(std::deque<std::string> answers) { scripted_ = std::move(answers); }
  void set_latency(Duration latency) { latency_ = latency; }
  [[nodiscard]] int probes() const { return probes_; }

  [[nodiscard]] Task<Result<void>> probe(ports::ProbeTarget target, Duration timeout) override;

 private:
  ports::Clock& clock_;
  std::map<std::pair<std::string, int>, bool> fixed_;
  std::deque<std::string> scripted_;
  Duration latency_ = std::chrono::milliseconds(1);
  int probes_ = 0;
};

}  // namespace sandboxd::sim
