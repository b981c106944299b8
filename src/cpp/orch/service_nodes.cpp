// What the control plane asks of nodes for a caller who waits: probes, logs, passed-through calls. And Externals.
#include "aio/deadline.hpp"
#include "base/limits.hpp"
#include "codec/json.hpp"
#include "codec/json_text.hpp"
#include "codec/sbxlet.hpp"
#include "codec/sbxlet_images.hpp"
#include "orch/engine.hpp"
#include "orch/service.hpp"

#include <utility>

namespace sandboxd::orch {
namespace {

constexpr std::size_t kProbeAnswerBytesMax = 64 * 1024;
constexpr Duration kPullsAfter = std::chrono::milliseconds(300);  // sooner no pull has anything to tell
constexpr Duration kPullsWait = std::chrono::milliseconds(500);

std::string line_of(const ports::NodeCall& call) { return call.method + " " + call.path; }

// The node's JSON object, or what is wrong with its answer in the original's words.
Result<std::string> object_of(const std::string& call, ports::NodeAnswer answer) {
  const std::string_view text = codec::trimmed_json(answer.body);
  if (answer.status >= 400) {
    const std::string said = text.empty() ? answer.status_text : codec::valid_utf8(text, limits::kErrorTextMax);
    // Ours alone is the right to say that we are busy.
    const ErrorCode code = answer.code == ErrorCode::resource_exhausted ? ErrorCode::unavailable : answer.code;
    return Error(code, "sandboxd " + call + " failed: " + said);
  }
  if (text.empty() || text == "null") return std::string(R"({"ok":true})");
  if (const auto members = codec::object_members(text); !members) {
    return members.error().with_context("decode sandboxd response");
  }
  if (text.size() == answer.body.size()) return std::move(answer.body);
  return std::string(text);
}

// `answer` must be an object with "ok": true.
Result<void> check_ok(const Result<std::string>& answer, const char* what) {
  if (!answer) return answer.error();
  const auto document = codec::read_json(*answer, {.code = ErrorCode::protocol_error});
  if (!document) return document.error();
  bool ok = false;
  codec::ReadErrors errors;
  codec::Reader(*document, errors).read("ok", ok);
  if (!ok) return Error(ErrorCode::unavailable, std::string(what) + " not ok");
  return {};
}

std::string log_path(const SandboxId& id, const std::string& container, const std::string& query) {
  std::string path = "/v1/sandboxes/" + encode_segment(id.str());
  if (!container.empty()) path += "/containers/" + encode_segment(container);
  return path + "/logs" + query;
}

std::string text_of(const Result<void>& outcome) { return outcome ? std::string() : outcome.error().message(); }

}  // namespace

// Counts a passed call while it lives. The counters outlive the service when a call is cut off with it.
class SandboxService::Place {
 public:
  [[nodiscard]] static Result<Place> take(std::shared_ptr<Passed> passed, const NodeId& node) {
    const auto same = passed->by_node.find(node);
    const bool is_node_full = same != passed->by_node.end() && same->second >= limits::kPassedCallsPerNodeMax;
    if (passed->total >= limits::kPassedCallsMax || is_node_full) {
      return Error(ErrorCode::resource_exhausted, "too many calls to nodes are under way; try again in a moment");
    }
    return Place(std::move(passed), node);
  }
  Place(Place&& other) noexcept = default;
  Place& operator=(Place&&) = delete;
  ~Place() {
    if (!passed_) return;
    --passed_->total;
    const auto found = passed_->by_node.find(node_);
    if (--found->second == 0) passed_->by_node.erase(found);
  }

 private:
  Place(std::shared_ptr<Passed> passed, NodeId node) : passed_(std::move(passed)), node_(std::move(node)) {
    ++passed_->total;
    ++passed_->by_node[node_];
  }

  std::shared_ptr<Passed> passed_;
  NodeId node_;
};

Task<Result<ports::NodeAnswer>> SandboxService::exchange(NodeRef node, ports::NodeCall call, Duration limit) {
  SBX_CO_TRY(place, Place::take(passed_, node->id));
  auto work = transport_->call(node->address, std::move(call));
  auto answer = co_await aio::with_deadline(*clock_, limit, std::move(work), "node call");
  co_return answer;
}

Task<Result<std::string>> SandboxService::call_node(NodeRef node, ports::NodeCall call) {
  const std::string what = line_of(call);
  auto answer = co_await exchange(std::move(node), std::move(call), engine_->config().sandbox_op_timeout);
  if (!answer) co_return answer.error();
  co_return object_of(what, *std::move(answer));
}

Task<Result<std::string>> SandboxService::probe_call(NodeRef node, std::string path) {
  ports::NodeCall call;
  call.path = std::move(path);
  call.answer_bytes_max = kProbeAnswerBytesMax;
  const std::string what = line_of(call);
  auto answer = co_await exchange(std::move(node), std::move(call), engine_->config().probe_timeout);
  if (!answer) co_return answer.error();
  co_return object_of(what, *std::move(answer));
}

Task<Result<ProbedNode>> SandboxService::probe_node(NodeId id) {
  SBX_CO_TRY(node, co_await get_node(std::move(id)));
  const auto healthz = co_await probe_call(node, "/healthz");
  const Result<void> health = check_ok(healthz, "healthz");
  const auto answer = co_await probe_call(node, "/v1/node/status");
  Result<void> status = check_ok(answer, "node status");
  ProbedNode out;
  NodeProbe probe;
  if (status) {
    const auto resources = codec::sbxlet::decode_node_status(*answer);
    if (resources) probe.resources = *resources;
    if (!resources) status = resources.error();
  }
  for (const Result<void>* part : {&health, &std::as_const(status)}) {
    if (!*part && part->error().code() == ErrorCode::resource_exhausted) co_return part->error();
    // A node is of use when it is healthy and takes our token, which its health does not ask for.
    if (!*part && probe.outcome) probe.outcome = *part;
  }
  out.health_error = text_of(health);
  out.status_error = text_of(status);
  out.resources = probe.resources;
  probe.node = node->id;
  probe.address = node->address;
  std::function<Result<NodeRef>(Engine&)> note = [probe = std::move(probe)](Engine& engine) {
    return engine.decisions().note_probe(probe);
  };
  SBX_CO_TRY(noted, co_await engine_->write<NodeRef>(std::move(note)));
  out.node = std::move(noted);
  co_return out;
}

Task<Result<void>> SandboxService::bind_external(BindExternal request) {
  std::function<Result<void>(Engine&)> decide = [request = std::move(request)](Engine& engine) {
    return engine.decisions().bind_external(request);
  };
  return engine_->write<void>(std::move(decide));
}

Task<Result<void>> SandboxService::unbind_external(std::string id) {
  std::function<Result<void>(Engine&)> decide = [id = std::move(id)](Engine& engine) {
    return engine.decisions().unbind_external(id);
  };
  return engine_->write<void>(std::move(decide));
}

Task<Result<NodeRef>> SandboxService::node_of(SandboxId id) {
  SBX_CO_TRY(sandbox, co_await get(std::move(id)));
  if (sandbox->node.empty()) {
    co_return Error(ErrorCode::conflict, "sandbox " + sandbox->id.str() + " is not on a node (phase " +
                                             std::string(model::to_string(sandbox->phase)) + ")");
  }
  co_return co_await get_node(sandbox->node);
}

Task<Result<std::string>> SandboxService::logs(SandboxId id, std::string container, std::string query) {
  ports::NodeCall call;
  call.path = log_path(id, container, query);
  call.answer_bytes_max = limits::kHttpClientBodyBytesMax;
  SBX_CO_TRY(node, co_await node_of(std::move(id)));
  auto answer = co_await exchange(std::move(node), std::move(call), engine_->config().sandbox_op_timeout);
  if (!answer) co_return answer.error();
  if (answer->status >= 400) {
    const std::string said = codec::sbxlet::decode_error(answer->body);
    co_return Error(answer->code, said.empty() ? answer->status_text : said);
  }
  co_return std::move(answer->body);
}

// Counts among the passed calls until it is closed.
class SandboxService::PlacedStream final : public ports::NodeStream {
 public:
  PlacedStream(Place place, std::unique_ptr<ports::NodeStream> stream)
      : place_(std::move(place)), stream_(std::move(stream)) {}
  Task<Result<std::optional<std::string>>> next() override { return stream_->next(); }

 private:
  Place place_;
  std::unique_ptr<ports::NodeStream> stream_;
};

Task<Result<std::unique_ptr<ports::NodeStream>>> SandboxService::stream_from_node(NodeRef node, ports::NodeCall call) {
  SBX_CO_TRY(place, Place::take(passed_, node->id));
  SBX_CO_TRY(stream, co_await transport_->stream(node->address, std::move(call)));
  co_return std::make_unique<PlacedStream>(std::move(place), std::move(stream));
}

Task<Result<std::unique_ptr<ports::NodeStream>>> SandboxService::follow_logs(SandboxId id, std::string container,
                                                                             std::string query) {
  ports::NodeCall call;
  call.path = log_path(id, container, query);
  SBX_CO_TRY(node, co_await node_of(std::move(id)));
  const NodeId name = node->id;
  auto stream = co_await stream_from_node(std::move(node), std::move(call));
  if (stream || stream.error().code() != ErrorCode::unsupported) co_return stream;
  co_return Error(ErrorCode::conflict,
                  "node " + name.str() + " cannot follow logs (a stock sandboxd-o node?): ask without follow");
}

Task<std::vector<model::PullProgress>> SandboxService::pulls(SandboxRef sandbox) {
  std::vector<model::PullProgress> none;
  const bool is_new = clock_->wall_now() < sandbox->updated_at + kPullsAfter;
  if (sandbox->phase != model::Phase::creating || sandbox->node.empty() || is_new) co_return none;
  auto node = co_await get_node(sandbox->node);
  if (!node) co_return none;
  ports::NodeCall call;
  call.path = "/v1/sandboxes/" + encode_segment(sandbox->id.str());
  auto answer = co_await exchange(*std::move(node), std::move(call), kPullsWait);
  if (!answer || answer->status != 200) co_return none;
  auto pulls = codec::sbxlet::decode_sandbox_pulls(answer->body);
  if (!pulls) co_return none;
  co_return *std::move(pulls);
}

}  // namespace sandboxd::orch
