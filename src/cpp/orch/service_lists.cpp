// The lists: filters and pages.
#include "orch/engine.hpp"
#include "orch/service.hpp"

#include <charconv>
#include <utility>

namespace sandboxd::orch {
namespace {

// "1767323045000000000.sbx-1": after the sandbox that was created then. Sandboxes that come or go between two pages
// shift nothing.
std::string cursor_after(const model::Sandbox& sandbox) {
  return std::to_string(sandbox.created_at.ns) + "." + sandbox.id.str();
}

Result<State::Age> read_cursor(const std::string& text) {
  State::Age age;
  const std::size_t dot = text.find('.');
  const char* end = text.data() + std::min(dot, text.size());
  const auto parsed = std::from_chars(text.data(), end, age.first.ns);
  if (dot == std::string::npos || parsed.ec != std::errc() || parsed.ptr != end || dot + 1 == text.size()) {
    return Error(ErrorCode::invalid_argument, "cursor is not the next_cursor of a list of sandboxes");
  }
  age.second = SandboxId(text.substr(dot + 1));
  return age;
}

bool has_labels(const model::Labels& labels, const LabelFilter& wanted) {
  for (const auto& [key, value] : wanted) {
    const auto found = labels.find(key);
    if (found == labels.end() || (value && found->second != *value)) return false;
  }
  return true;
}

bool matches(const model::Sandbox& sandbox, const SandboxQuery& query) {
  if (!query.phases.empty() && !query.phases.contains(sandbox.phase)) return false;
  if (!query.node.empty() && sandbox.node != query.node) return false;
  return has_labels(sandbox.spec.labels, query.labels);
}

bool matches(const model::Node& node, const NodeQuery& query) {
  return (query.states.empty() || query.states.contains(node.state)) && has_labels(node.labels, query.labels);
}

bool is_full(std::size_t count, const Page& page) { return page.limit != 0 && count == page.limit; }

Result<SandboxList> look(const State& state, const SandboxQuery& query) {
  SandboxList list;
  list.revision = state.revision();
  auto at = state.by_age().begin();
  if (!query.page.cursor.empty()) {
    SBX_TRY(after, read_cursor(query.page.cursor));
    at = state.by_age().upper_bound(after);
  }
  for (; at != state.by_age().end(); ++at) {
    if (!matches(*at->second, query)) continue;
    if (is_full(list.items.size(), query.page)) {
      list.next_cursor = cursor_after(*list.items.back());
      break;
    }
    list.items.push_back(at->second);
  }
  return list;
}

NodeList look(const State& state, const NodeQuery& query) {
  NodeList list;
  list.revision = state.revision();
  // A node's cursor is the last id; that of a node that has gone meanwhile does as well.
  const auto& nodes = state.nodes();
  auto at = query.page.cursor.empty() ? nodes.begin() : nodes.upper_bound(NodeId(query.page.cursor));
  for (; at != nodes.end(); ++at) {
    if (!matches(*at->second, query)) continue;
    if (is_full(list.items.size(), query.page)) {
      list.next_cursor = list.items.back()->id.str();
      break;
    }
    list.items.push_back(at->second);
  }
  return list;
}

}  // namespace

Task<Result<SandboxList>> SandboxService::list() { return list(SandboxQuery{}); }

Task<Result<SandboxList>> SandboxService::list(SandboxQuery query) {
  std::function<Result<SandboxList>(Engine&)> read = [query = std::move(query)](Engine& engine) {
    return look(engine.state(), query);
  };
  return engine_->read<SandboxList>(std::move(read));
}

Task<Result<NodeList>> SandboxService::list_nodes() { return list_nodes(NodeQuery{}); }

Task<Result<NodeList>> SandboxService::list_nodes(NodeQuery query) {
  std::function<Result<NodeList>(Engine&)> read = [query = std::move(query)](Engine& engine) -> Result<NodeList> {
    return look(engine.state(), query);
  };
  return engine_->read<NodeList>(std::move(read));
}

Task<Result<std::vector<NodeRef>>> SandboxService::list_externals() {
  std::function<Result<std::vector<NodeRef>>(Engine&)> read = [](Engine& engine) -> Result<std::vector<NodeRef>> {
    std::vector<NodeRef> out;
    for (const auto& [external, node] : engine.state().externals()) out.push_back(engine.state().find_node(node));
    return out;
  };
  return engine_->read<std::vector<NodeRef>>(std::move(read));
}

Task<Result<NodeRef>> SandboxService::get_external(std::string id) {
  std::function<Result<NodeRef>(Engine&)> read = [id = std::move(id)](Engine& engine) -> Result<NodeRef> {
    const auto bound = engine.state().externals().find(id);
    if (bound == engine.state().externals().end()) return Error(ErrorCode::not_found, "external not found");
    return engine.state().find_node(bound->second);
  };
  return engine_->read<NodeRef>(std::move(read));
}

}  // namespace sandboxd::orch
