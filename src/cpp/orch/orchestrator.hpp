// The control plane as one object: builds the adapters, runs the engine on its own thread, serves HTTP.
//
// Thread-safe: every method may be called from any thread; none may be called from the core thread. Never stored Python
// objects, never takes the GIL.
#pragma once

#include "base/result.hpp"
#include "base/time.hpp"
#include "orch/config.hpp"

#include <memory>
#include <string>

namespace sandboxd::orch {

class Orchestrator {
 public:
  // Errors: invalid_argument with every configuration problem.
  [[nodiscard]] static Result<std::unique_ptr<Orchestrator>> make(OrchConfig config);
  ~Orchestrator();  // stop()
  Orchestrator(const Orchestrator&) = delete;
  Orchestrator& operator=(const Orchestrator&) = delete;

  // Opens the store, loads the truth, starts to serve. Errors: conflict (another one runs on this data directory),
  // storage_failed, unavailable (address in use).
  [[nodiscard]] Result<void> start();
  // Drains and stops; idempotent. Sandboxes go on.
  void stop();
  // Takes over the reloadable fields of `config` and says what came of it, also in the log. Errors: invalid_argument
  // with every problem of `config`, conflict when it does not run; then nothing has changed.
  [[nodiscard]] Result<ConfigReload> reload(OrchConfig config);
  // Waits until it stopped or `timeout` passed; true when stopped.
  [[nodiscard]] bool wait(Duration timeout);
  [[nodiscard]] int port() const;

 private:
  class Impl;
  explicit Orchestrator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sandboxd::orch
