// The control plane's store on a simulated disk (ports/store.hpp). Deterministic, one thread.
#pragma once

#include "base/result.hpp"
#include "ports/clock.hpp"
#include "ports/store.hpp"
#include "sim/sim_disk.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace sandboxd::sim {

struct StoreState {
  using Name = std::pair<std::string, std::string>;  // owner and name

  std::map<SandboxId, model::Sandbox> sandboxes;
  std::map<NodeId, model::Node> nodes;
  std::map<std::pair<std::string, std::string>, model::KeptAnswer> answers;  // by owner and key
  std::map<Name, SandboxId> names;                                           // of the sandboxes that have one
  std::int64_t revision = 0;
  std::string instance;
};
using StoreDisk = SimDisk<StoreState>;

class SimStore final : public ports::Store {
 public:
  // Errors: conflict when a store is open on the disk already.
  [[nodiscard]] static Result<std::unique_ptr<SimStore>> open(std::shared_ptr<StoreDisk> disk, ports::Clock& clock);
  ~SimStore() override;

  [[nodiscard]] Task<Result<ports::StoreContents>> load() override;
  [[nodiscard]] Task<Result<void>> apply(ports::StoreTransaction transaction) override;

 private:
  SimStore(std::shared_ptr<StoreDisk> disk, ports::Clock& clock, std::uint64_t epoch);

  std::shared_ptr<StoreDisk> disk_;
  ports::Clock& clock_;
  std::uint64_t epoch_;
};

}  // namespace sandboxd::sim
