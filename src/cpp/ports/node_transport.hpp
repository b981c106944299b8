// Calls from the control plane to a node. Real: orch/http_node_transport. Simulated: sim/sim_transport.
//
// An error with code `unavailable` or `deadline_exceeded` leaves the outcome unknown: the caller asks, it never
// guesses.
#pragma once

#include "base/ids.hpp"
#include "base/limits.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "model/node.hpp"
#include "model/node_event.hpp"
#include "model/node_sandbox.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sandboxd::ports {

// The events of a node's watch stream are values of the model, so that the codec (a layer below) knows them.
using model::NodeEvent;
using model::NodeSandboxGone;
using model::NodeSnapshotEnd;

// The next piece of a body that is sent while it is read; nothing: its end.
using BodySource = std::function<Task<Result<std::optional<std::string>>>()>;

// A call to the node's HTTP API that is passed through.
struct NodeCall {
  std::string method = "GET";
  std::string path;  // percent-encoded, with the query
  std::string body;  // JSON; empty: none
  std::size_t answer_bytes_max = limits::kNodeAnswerBytesMax;
  BodySource upload = {};  // instead of `body`: bytes
};

// What the node answered, whatever it was.
struct NodeAnswer {
  int status = 200;
  std::string status_text;               // "404 Not Found"
  ErrorCode code = ErrorCode::internal;  // of a status from 400 on: the node's own, or what the status says
  std::string body;
};

// What a polled node says about a batch of ids.
struct SandboxStatuses {
  std::vector<model::NodeSandboxStatus> items;
  std::vector<SandboxId> missing;
};

struct SandboxPage {
  std::vector<model::NodeSandboxStatus> items;  // by id
  std::string next_cursor;                      // empty: the last page
};

class NodeWatch {
 public:
  virtual ~NodeWatch() = default;  // closes the stream
  // The next event. Errors: unavailable (the stream broke), protocol_error. After an error: open a new one.
  [[nodiscard]] virtual Task<Result<NodeEvent>> next() = 0;
  // The next event if it is here already, so that events that came together can be handled together. Nothing: next().
  [[nodiscard]] virtual std::optional<NodeEvent> ready() { return std::nullopt; }
};

// An answer that comes piece by piece.
class NodeStream {
 public:
  virtual ~NodeStream() = default;  // closes the stream
  // The next bytes, as they come; a reader that pauses makes the node wait. Nothing: the regular end. Errors:
  // unavailable, protocol_error, deadline_exceeded (silence).
  [[nodiscard]] virtual Task<Result<std::optional<std::string>>> next() = 0;
};

// What a sandbox that a node has is to do next.
enum class LifeVerb { pause, resume, stop, start };
[[nodiscard]] constexpr std::string_view to_string(LifeVerb verb) {
  switch (verb) {
    case LifeVerb::pause: return "pause";
    case LifeVerb::resume: return "resume";
    case LifeVerb::stop: return "stop";
    case LifeVerb::start: return "start";
  }
  return "";
}

class NodeTransport {
 public:
  virtual ~NodeTransport() = default;

  // Idempotent for one uid: already_exists is only returned when another life of the id is there.
  [[nodiscard]] virtual Task<Result<void>> create_sandbox(model::NodeAddress node,
                                                          model::NodeCreateRequest request) = 0;
  // Success also when the node does not know the id. A non-empty uid removes only that life of the id.
  [[nodiscard]] virtual Task<Result<void>> remove_sandbox(model::NodeAddress node, SandboxId id, std::string uid) = 0;
  // `order`: a call with a lower one than the node has seen for this life comes too late, and changes nothing.
  // Success when it is so, or the node goes about it and will say when it is: a pause and a resume have come true, a
  // stop and a start are recorded. Errors: not_found (this life is not there), conflict and others with the node's
  // words, unsupported for a node that knows no such thing (a stock sandboxd-o node).
  [[nodiscard]] virtual Task<Result<void>> change_life(model::NodeAddress node, SandboxId id, std::string uid,
                                                       LifeVerb verb, std::int64_t order) = 0;
  // Errors: unsupported for a node without a watch stream (a stock sandboxd-o node).
  [[nodiscard]] virtual Task<Result<std::unique_ptr<NodeWatch>>> watch(model::NodeAddress node) = 0;
  // Errors only when there is no answer: unavailable, deadline_exceeded, protocol_error, too_large (the answer).
  [[nodiscard]] virtual Task<Result<NodeAnswer>> call(model::NodeAddress node, NodeCall call) = 0;

  // As call(), for an answer of server-sent events or of JSON lines. Errors: also what the node answers from 400 on,
  // with its code and words; unsupported when it answers anything else than such a stream.
  [[nodiscard]] virtual Task<Result<std::unique_ptr<NodeStream>>> stream(model::NodeAddress node, NodeCall call) = 0;

  // For nodes without a watch stream, which are polled. A uid in what find_sandbox() and list_sandboxes() return is the
  // one that the create left there as a mark (codec/life_mark.hpp); empty: others made it.
  [[nodiscard]] virtual Task<Result<void>> probe(model::NodeAddress node) = 0;
  [[nodiscard]] virtual Task<Result<model::NodeResources>> resources(model::NodeAddress node) = 0;
  // At most limits::kStatusIdsMax ids. The items have no uid.
  [[nodiscard]] virtual Task<Result<SandboxStatuses>> statuses(model::NodeAddress node, std::vector<SandboxId> ids) = 0;
  // nullopt: the node says that it has none of this id.
  [[nodiscard]] virtual Task<Result<std::optional<model::NodeSandboxStatus>>> find_sandbox(model::NodeAddress node,
                                                                                           SandboxId id) = 0;
  [[nodiscard]] virtual Task<Result<SandboxPage>> list_sandboxes(model::NodeAddress node, std::string cursor) = 0;

  // The node compares its records with its machine now.
  [[nodiscard]] virtual Task<Result<void>> reconcile(model::NodeAddress node) = 0;
};

}  // namespace sandboxd::ports
