// What one node is asked about images and usage, typed. Internal to image_service. Core thread only.
#pragma once

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "model/image.hpp"
#include "model/node.hpp"
#include "model/usage.hpp"
#include "orch/image_service.hpp"
#include "ports/clock.hpp"
#include "ports/node_transport.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sandboxd::orch {

// Errors are the node's own, with their codes: no context is added.
class NodeImageCalls {
 public:
  NodeImageCalls(ports::NodeTransport& transport, ports::Clock& clock) : transport_(&transport), clock_(&clock) {}

  [[nodiscard]] Task<Result<std::vector<model::Image>>> list(model::NodeAddress node) const;
  // `tell` may be empty.
  [[nodiscard]] Task<Result<model::Image>> pull(model::NodeAddress node, std::string image,
                                                std::optional<model::RegistryCredentials> credentials,
                                                PullObserver tell) const;
  [[nodiscard]] Task<Result<bool>> remove(model::NodeAddress node, std::string reference, bool force) const;
  [[nodiscard]] Task<Result<model::Image>> import(model::NodeAddress node, std::string query,
                                                  ports::BodySource archive) const;
  [[nodiscard]] Task<Result<model::SandboxUsage>> usage(model::NodeAddress node, SandboxId id) const;

 private:
  ports::NodeTransport* transport_;
  ports::Clock* clock_;
};

// "?reference=...&format=..." of an import.
[[nodiscard]] std::string import_query(const ImportImage& request);

}  // namespace sandboxd::orch
