// NodeTransport over HTTP: the node API (codec/sbxlet) through a pooled client. Speaks to our nodes and, without the
// watch stream, to stock sandboxd-o nodes. Core thread only.
#pragma once

#include "http/client.hpp"
#include "ports/node_transport.hpp"

#include <string>

namespace sandboxd::orch {

struct NodeCallLimits {
  Duration op = std::chrono::seconds(60);       // create, delete, logs
  Duration probe = std::chrono::seconds(3);     // connecting and the first byte of a stream
  Duration silence = std::chrono::seconds(20);  // a stream without any byte for this long is broken
};

class HttpNodeTransport final : public ports::NodeTransport {
 public:
  // `token` goes to every node as a bearer token; empty: none. `client` must outlive this.
  HttpNodeTransport(http::Client& client, std::string token, NodeCallLimits limits);

  // For calls from now on; streams that are open stay as they are.
  void set_token(std::string token) { token_ = std::move(token); }
  void set_limits(NodeCallLimits limits) { limits_ = limits; }

  [[nodiscard]] Task<Result<void>> create_sandbox(model::NodeAddress node, model::NodeCreateRequest request) override;
  [[nodiscard]] Task<Result<void>> remove_sandbox(model::NodeAddress node, SandboxId id, std::string uid) override;
  [[nodiscard]] Task<Result<void>> change_life(model::NodeAddress node, SandboxId id, std::string uid,
                                               ports::LifeVerb verb, std::int64_t order) override;
  [[nodiscard]] Task<Result<std::unique_ptr<ports::NodeWatch>>> watch(model::NodeAddress node) override;
  [[nodiscard]] Task<Result<ports::NodeAnswer>> call(model::NodeAddress node, ports::NodeCall call) override;
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

  // For calls whose bodies are passed through.
  // With the node's address and our token, and the time limit of an operation.
  [[nodiscard]] http::ClientRequest request(const model::NodeAddress& node, std::string method,
                                            std::string target) const;

 private:
  // The body of a successful answer.
  [[nodiscard]] Task<Result<std::string>> ask(http::ClientRequest call);

  http::Client& client_;
  std::string token_;
  NodeCallLimits limits_;
};

}  // namespace sandboxd::orch
