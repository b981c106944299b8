// The use cases of the control plane. Every API dialect calls this and nothing else.
//
// A dialect translates, validates in its own words, calls one method and renders the outcome. Methods return when what
// they say is durable. Errors that any of them may return: resource_exhausted (the engine's queue is full: answer 429
// or 503), storage_failed (nothing was changed), unavailable (the control plane is stopping). Core thread only.
#pragma once

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "model/node.hpp"
#include "model/spec.hpp"
#include "orch/refs.hpp"
#include "orch/watch_hub.hpp"
#include "ports/clock.hpp"
#include "ports/node_transport.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sandboxd::orch {

class Engine;

struct CreateSandbox {
  SandboxId id;  // in the form of the dialect; required
  model::SandboxSpec spec;
  std::string name;  // empty: the id
  std::string owner = "default";
  std::string dialect;  // "sandboxd_o", "opensbx", "bhatti"
};

struct UpsertNode {
  NodeId id;
  model::NodeAddress address;
  model::Labels labels;
  bool unschedulable = false;
};

struct PatchNode {
  std::optional<bool> unschedulable;
  std::map<std::string, std::optional<std::string>> labels;  // nullopt removes the key
};

struct SandboxList {
  std::vector<SandboxRef> items;  // by creation time, then id
  std::int64_t revision = 0;      // the state that they are: watch from here misses nothing
};

struct NodeList {
  std::vector<NodeRef> items;  // by id
  std::int64_t revision = 0;
};

class SandboxService {
 public:
  SandboxService(Engine& engine, ports::NodeTransport& transport, ports::Clock& clock);

  // The new sandbox as it was accepted: phase pending, whatever happened to it in the same moment. Errors:
  // invalid_argument, already_exists (id, or name of this owner), unschedulable with reasons (mode "fail" does not
  // refuse: the sandbox is created and fails, as the original).
  [[nodiscard]] Task<Result<SandboxRef>> create(CreateSandbox request);
  // Errors: not_found.
  [[nodiscard]] Task<Result<SandboxRef>> get(SandboxId id);
  [[nodiscard]] Task<Result<SandboxList>> list();
  // The deletion is durable: the sandbox is in phase deleting, or already gone. A second call succeeds. Errors:
  // not_found.
  [[nodiscard]] Task<Result<void>> remove(SandboxId id);
  // Returns when no sandbox of that id is there. Errors: deadline_exceeded with the last thing that went wrong.
  [[nodiscard]] Task<Result<void>> wait_gone(SandboxId id, Duration limit);
  // Why it is not placed, one line per node, computed now. Empty when it is placed. Errors: not_found.
  [[nodiscard]] Task<Result<std::vector<std::string>>> explain(SandboxId id);

  // Creates or replaces address, labels and cordon; health and history stay. Then waits at most `settle` for a node
  // that is not Ready to report, and returns it as it is then. Errors: invalid_argument (validate_address's words, "id
  // is required"), resource_exhausted (too many nodes).
  [[nodiscard]] Task<Result<NodeRef>> upsert_node(UpsertNode request, Duration settle);
  [[nodiscard]] Task<Result<NodeRef>> get_node(NodeId id);  // not_found
  [[nodiscard]] Task<Result<NodeList>> list_nodes();
  [[nodiscard]] Task<Result<NodeRef>> patch_node(NodeId id, PatchNode patch);  // not_found, invalid_argument
  // With force: forgets the node without a word to it; its sandboxes become failed ("node removed"), deleting ones are
  // erased. Without: the node removes its sandboxes first, which end the same way, and compares itself. The wish is
  // durable: who stops waiting, or a crash, does not stop it. When the node fails in anything it stays, and what is
  // still on it stays as it was. Errors: not_found; internal "delete sandbox on node <n> for sandbox <s>: ..." or
  // "reconcile node <n> during delete: ...".
  [[nodiscard]] Task<Result<void>> delete_node(NodeId id, bool force);

  // The node's own JSON for its logs routes, unread. Errors: not_found (sandbox, or not on a node yet: conflict), and
  // what the node answers.
  [[nodiscard]] Task<Result<std::string>> logs(SandboxId id);
  [[nodiscard]] Task<Result<std::string>> container_logs(SandboxId id, std::string container);
  // GET <path> on the node. `path` is percent-encoded and starts with '/'. Errors: not_found "node not found".
  [[nodiscard]] Task<Result<std::string>> node_json(NodeId id, std::string path);

  // Every change after revision `after` (nullopt: from now on). Errors: see WatchHub::open.
  [[nodiscard]] Task<Result<std::shared_ptr<WatchStream>>> watch(std::optional<std::int64_t> after, WatchFilter filter);

 private:
  [[nodiscard]] Task<Result<std::string>> sandbox_json(SandboxId id, std::string path);

  Engine* engine_;
  ports::NodeTransport* transport_;
  ports::Clock* clock_;
};

// Percent-encodes one path segment for node_json.
[[nodiscard]] std::string encode_segment(std::string_view text);

}  // namespace sandboxd::orch
