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
#include "model/pull_progress.hpp"
#include "model/spec.hpp"
#include "orch/refs.hpp"
#include "orch/watch_hub.hpp"
#include "ports/clock.hpp"
#include "ports/node_transport.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
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

// A key that the client chose for one create, and what tells this request from others.
struct OnceKey {
  std::string key;
  std::string fingerprint;
};
// The body with which the dialect answers a create.
using Render = std::function<std::string(const model::Sandbox&)>;
struct OnceAnswer {
  std::string text;
  bool is_repeated = false;  // it is the answer to an earlier request
};

// Labels that must be there: with this value, or with any (nullopt).
using LabelFilter = std::map<std::string, std::optional<std::string>>;

// Which part of a list. `cursor` is the next_cursor of the page before; empty: from the beginning.
struct Page {
  std::size_t limit = 0;  // 0: all
  std::string cursor;
};

// Empty members do not restrict.
struct SandboxQuery {
  std::set<model::Phase> phases;
  LabelFilter labels;
  NodeId node;
  Page page;
};

struct SandboxList {
  std::vector<SandboxRef> items;  // by creation time, then id
  std::int64_t revision = 0;      // the state that they are: watch from here misses nothing
  std::string next_cursor;        // empty: there is no more
};

struct NodeQuery {
  std::set<model::NodeState> states;
  LabelFilter labels;
  Page page;
};

struct NodeList {
  std::vector<NodeRef> items;  // by id
  std::int64_t revision = 0;
  std::string next_cursor;
};

struct BindExternal {
  std::string id;
  NodeId node;
  std::string external;  // an address or host name, for people
};

// What a node answered when it was asked how it is: an error when it is of no use.
struct NodeProbe {
  NodeId node;
  model::NodeAddress address;
  Result<void> outcome;
  std::optional<model::NodeResources> resources;
};

struct ProbedNode {
  NodeRef node;              // with what the probe changed
  std::string health_error;  // of /healthz; empty: healthy
  std::string status_error;  // of /v1/node/status
  std::optional<model::NodeResources> resources;
};

class SandboxService {
 public:
  SandboxService(Engine& engine, ports::NodeTransport& transport, ports::Clock& clock);

  // The new sandbox as it was accepted: phase pending, whatever happened to it in the same moment. Errors:
  // invalid_argument, already_exists (id, or name of this owner), unschedulable with reasons (mode "fail" does not
  // refuse: the sandbox is created and fails, as the original).
  [[nodiscard]] Task<Result<SandboxRef>> create(CreateSandbox request);
  // The same, once for a key of this owner: the same request gets the first answer again, whatever became of the
  // sandbox, for a day at least unless very many keys are used. Errors besides: conflict (the key belongs to another
  // request).
  [[nodiscard]] Task<Result<OnceAnswer>> create_once(CreateSandbox request, OnceKey once, Render render);
  // Errors: not_found.
  [[nodiscard]] Task<Result<SandboxRef>> get(SandboxId id);
  // The same; while it waits for a place, with the reasons of now, at most limits::kReasonsMax lines.
  [[nodiscard]] Task<Result<SandboxRef>> describe(SandboxId id);
  // By its id, the name that this owner gave it, or the beginning of its id: twelve characters at least, and of
  // no other. Errors: not_found.
  [[nodiscard]] Task<Result<SandboxRef>> resolve(std::string reference, std::string owner);
  // Returns when it runs. Errors: not_found (deleted meanwhile), internal (why it failed), deadline_exceeded and
  // unschedulable (what it waits for).
  [[nodiscard]] Task<Result<SandboxRef>> wait_running(SandboxId id, Duration limit);
  [[nodiscard]] Task<Result<SandboxList>> list();
  // Errors: invalid_argument (a cursor that no list gave).
  [[nodiscard]] Task<Result<SandboxList>> list(SandboxQuery query);
  // The deletion is durable: the sandbox is in phase deleting, or already gone. A second call succeeds. Errors:
  // not_found.
  [[nodiscard]] Task<Result<void>> remove(SandboxId id);
  // Returns when no sandbox of that id is there. Errors: deadline_exceeded with the last thing that went wrong.
  [[nodiscard]] Task<Result<void>> wait_gone(SandboxId id, Duration limit);
  // Each returns the sandbox once the wish is durable; wait_phase() tells when it has come true. A pause freezes all
  // processes. A stop ends them; files stay, on the node. A start begins anew on the same files, with the time to live
  // that was asked for at the create. A restart is both. `renew`: it expires so many seconds from now, in any phase but
  // deleting. Errors: not_found; conflict with one of these reasons: already_running, already_stopped, already_paused,
  // not_paused, not_running, files_gone, deleting; unschedulable with reasons (no room on the node that has the files);
  // unsupported (a stock node); invalid_argument (renew).
  [[nodiscard]] Task<Result<SandboxRef>> pause(SandboxId id);
  [[nodiscard]] Task<Result<SandboxRef>> resume(SandboxId id);
  [[nodiscard]] Task<Result<SandboxRef>> stop(SandboxId id);
  [[nodiscard]] Task<Result<SandboxRef>> start(SandboxId id);
  [[nodiscard]] Task<Result<SandboxRef>> restart(SandboxId id);
  [[nodiscard]] Task<Result<SandboxRef>> renew(SandboxId id, std::int64_t seconds);
  // The sandbox once its phase is one of these, which it may be already. Errors: not_found (also when it goes
  // meanwhile), deadline_exceeded with the last thing that went wrong, unavailable (the control plane stops).
  [[nodiscard]] Task<Result<SandboxRef>> wait_phase(SandboxId id, std::set<model::Phase> phases, Duration limit);
  // Why it is not placed, one line per node, computed now. Empty when it is placed. Errors: not_found.
  [[nodiscard]] Task<Result<std::vector<std::string>>> explain(SandboxId id);

  // Creates or replaces address, labels and cordon; health and history stay. Then waits at most `settle` for a node
  // that is not Ready to report, and returns it as it is then. Errors: invalid_argument (validate_address's words, "id
  // is required"), resource_exhausted (too many nodes).
  [[nodiscard]] Task<Result<NodeRef>> upsert_node(UpsertNode request, Duration settle);
  [[nodiscard]] Task<Result<NodeRef>> get_node(NodeId id);  // not_found
  [[nodiscard]] Task<Result<NodeList>> list_nodes();
  [[nodiscard]] Task<Result<NodeList>> list_nodes(NodeQuery query);
  [[nodiscard]] Task<Result<NodeRef>> patch_node(NodeId id, PatchNode patch);  // not_found, invalid_argument
  // With force: forgets the node without a word to it; its sandboxes become failed ("node removed"), deleting ones are
  // erased. Without: the node removes its sandboxes first, which end the same way, and compares itself. The wish is
  // durable: who stops waiting, or a crash, does not stop it. When the node fails in anything it stays, and what is
  // still on it stays as it was. Errors: not_found; internal "delete sandbox on node <n> for sandbox <s>: ..." or
  // "reconcile node <n> during delete: ...".
  [[nodiscard]] Task<Result<void>> delete_node(NodeId id, bool force);

  // Asks the node how it is, now, and counts what it says. Errors: not_found.
  [[nodiscard]] Task<Result<ProbedNode>> probe_node(NodeId id);

  // One External per node and one node per External. Errors: invalid_argument ("referenced node not found"), conflict.
  [[nodiscard]] Task<Result<void>> bind_external(BindExternal request);
  [[nodiscard]] Task<Result<void>> unbind_external(std::string id);   // not_found
  [[nodiscard]] Task<Result<std::vector<NodeRef>>> list_externals();  // the nodes, by the External's id
  [[nodiscard]] Task<Result<NodeRef>> get_external(std::string id);   // not_found

  // The node's own JSON for its logs routes, unread; of all containers when `container` is empty. `query` goes to the
  // node: empty, or with its '?'. Errors: not_found (sandbox), conflict (not on a node yet), and what the node answers.
  [[nodiscard]] Task<Result<std::string>> logs(SandboxId id, std::string container, std::string query);
  // The same as server-sent events, which `query` asks for. Errors: conflict also for a node that cannot (a stock one).
  [[nodiscard]] Task<Result<std::unique_ptr<ports::NodeStream>>> follow_logs(SandboxId id, std::string container,
                                                                             std::string query);
  // An answer of server-sent events that is passed through. Errors: as call_node(), and unsupported.
  [[nodiscard]] Task<Result<std::unique_ptr<ports::NodeStream>>> stream_from_node(NodeRef node, ports::NodeCall call);
  // A call to the node's API that is passed through: its answer, one JSON object as text, unread; {"ok":true} for an
  // answer without one. Errors in the original's words: the node refused, did not answer or spoke nonsense.
  // resource_exhausted is ours alone: too many such calls are under way.
  [[nodiscard]] Task<Result<std::string>> call_node(NodeRef node, ports::NodeCall call);

  // The node that a sandbox is on. Errors: not_found, conflict.
  [[nodiscard]] Task<Result<NodeRef>> node_of(SandboxId id);
  // Of the images that the sandbox waits for while it is created; empty when it waits for none, when it only began, or
  // when its node does not say at once.
  [[nodiscard]] Task<std::vector<model::PullProgress>> pulls(SandboxRef sandbox);

  // Every change after revision `after` (nullopt: from now on). Errors: see WatchHub::open.
  [[nodiscard]] Task<Result<std::shared_ptr<WatchStream>>> watch(std::optional<std::int64_t> after, WatchFilter filter);

 private:
  // Passed calls under way; a place in them while it lives.
  struct Passed {
    std::map<NodeId, std::size_t> by_node;
    std::size_t total = 0;
  };
  class Place;
  class PlacedStream;

  [[nodiscard]] Task<Result<ports::NodeAnswer>> exchange(NodeRef node, ports::NodeCall call, Duration limit);
  [[nodiscard]] Task<Result<std::string>> probe_call(NodeRef node, std::string path);

  Engine* engine_;
  ports::NodeTransport* transport_;
  ports::Clock* clock_;
  std::shared_ptr<Passed> passed_ = std::make_shared<Passed>();
};

// Percent-encodes one path segment for call_node.
[[nodiscard]] std::string encode_segment(std::string_view text);

}  // namespace sandboxd::orch
