// The node API's JSON (the "sbxlet" dialect), both ways: the node serves it, the control plane's node client and its
// node proxy speak it.
//
// Answers are camelCase. Requests are read in camelCase and in snake_case, letter case ignored, since the published
// pages of the original show one and its program reads the other. What we add to the original's forms is optional:
// a stock orchestrator's bodies decode, and a stock node ignores what it does not know. Our additions:
//
//   create       uid, ttlSeconds, runtime, onExpiry, restartPolicy, labels, annotations,
//                egressPolicy {mode, allowCIDRs, bandwidthBitsPerSecond}; in a container: user, hold, requestCPUMilli,
//                requestMemoryBytes, pidsMax
//   sandbox      pulls [{image, layersDone, layersTotal, bytesDone, bytesTotal, message}] while images are pulled (of
//                one sandbox, not in lists); in a container: imageDigest
//   status item  uid, desired, order, ownWish, containers [{name, phase, error, task_status, exit_code, restarts}]
//   resources    disk_capacity_bytes, disk_free_bytes
//   report       boot_id, resources, images [name] (left out: as last said on this stream)
//   watch        server-sent events "report", "sandbox", "gone", "snapshot_end"
//
// Decoding checks types only; codec/sbxlet_validate.hpp has the node's rules. Pure functions. Decoders of requests fail
// with invalid_argument, decoders of answers with protocol_error; both name the field.
#pragma once

#include "base/ids.hpp"
#include "base/result.hpp"
#include "codec/json.hpp"
#include "model/node_event.hpp"
#include "model/node_sandbox.hpp"
#include "model/pull_progress.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::codec::sbxlet {

// ---- create ----

// Ports are filled twice: `ports` parsed, and `spec.ports` with the protocol's text as sent, in the same order.
// An unknown protocol reads as tcp in `ports`; validate_create() refuses it by its text. Amounts keep their text; a
// text that is no quantity has the value 0.
[[nodiscard]] Result<model::NodeCreateRequest> decode_create(std::string_view body);
[[nodiscard]] std::string encode_create(const model::NodeCreateRequest& request);

// ---- sandboxes as the node shows them ----

// What the node knows and a sandbox's record does not repeat.
struct NodeFacts {
  std::string runtime_namespace = "k8s.io";
  std::string subnet_cidr;
  std::string bridge_name;
  std::string cni_conf_path;
  std::string runtime;  // the default handler, for sandboxes that name none
};

// The sandbox object: members and their order as in the original.
[[nodiscard]] json::object sandbox_object(const model::NodeSandbox& sandbox, const NodeFacts& facts);

// Its member "pulls".
[[nodiscard]] json::array pulls_array(const std::vector<model::PullProgress>& pulls);

// {"items":[...],"next_cursor":"<last id>"}: the items are written already; no cursor at the end.
[[nodiscard]] std::string encode_page(const std::vector<std::string_view>& items, const std::string& next_cursor);

// ---- resources and status ----

[[nodiscard]] json::object resources_object(const model::NodeResources& resources);
[[nodiscard]] model::NodeResources read_resources(const Reader& in);
// The answer of GET /v1/node/status: {"ok":true,"resources":R}.
[[nodiscard]] std::string encode_node_status(const model::NodeResources& resources);
[[nodiscard]] Result<model::NodeResources> decode_node_status(std::string_view body);

// One item of a status batch and the data of the event "sandbox". `unhealthy_containers` has those that neither run nor
// are being created, or that carry an error; `containers` (ours) has all.
[[nodiscard]] json::object status_object(const model::NodeSandboxStatus& status);
[[nodiscard]] model::NodeSandboxStatus read_status(const Reader& in);

struct StatusBatch {
  std::vector<model::NodeSandboxStatus> items;  // in the order of the request
  std::vector<SandboxId> missing;               // sorted

  friend bool operator==(const StatusBatch&, const StatusBatch&) = default;
};

// {"ids":[...]}, as sent: trimming, duplicates and the limit are the node's business.
[[nodiscard]] Result<std::vector<std::string>> decode_status_ids(std::string_view body);
[[nodiscard]] std::string encode_status_ids(const std::vector<SandboxId>& ids);
// `items` are status_object()s, written already.
[[nodiscard]] std::string encode_status_batch(const std::vector<std::string_view>& items,
                                              const std::vector<SandboxId>& missing);
[[nodiscard]] Result<StatusBatch> decode_status_batch(std::string_view body);

// ---- the watch stream ----

struct WireEvent {
  std::string name;
  std::string data;

  friend bool operator==(const WireEvent&, const WireEvent&) = default;
};

[[nodiscard]] WireEvent encode_event(const model::NodeEvent& event);
// nullopt for an event that this version does not know: skip it. Errors: protocol_error.
[[nodiscard]] Result<std::optional<model::NodeEvent>> decode_event(std::string_view name, std::string_view data);

// ---- errors ----

// {"error":"<text>"}
[[nodiscard]] std::string encode_error(std::string_view text);
// The text of an error body, or the body itself (bounded) when it has another form.
[[nodiscard]] std::string decode_error(std::string_view body);

}  // namespace sandboxd::codec::sbxlet
