#include "orch/node_news.hpp"

#include "base/log.hpp"

#include <cstddef>

namespace sandboxd::orch {
namespace {

constexpr Log kLog("orch");
constexpr std::size_t kNamesMax = 5;
constexpr std::size_t kSinglyMax = 3;
constexpr Duration kTogether = std::chrono::seconds(10);

}  // namespace

std::string first_names(const std::set<NodeId>& nodes) {
  std::string out;
  std::size_t named = 0;
  for (const NodeId& node : nodes) {
    if (named++ == kNamesMax) return out + " and " + std::to_string(nodes.size() - kNamesMax) + " more";
    out += (out.empty() ? "" : ", ") + node.str();
  }
  return out;
}

void NodeNews::tell(const NodeId& node, std::string_view what, const std::string& error, MonoTime now) {
  tell_rest(now);
  if (!until_) until_ = now + kTogether;
  if (told_.contains(node) || told_.size() < kSinglyMax) {
    told_.insert(node);
    kLog.warn(what, {{"node", node.str()}, {"error", error}});
    return;
  }
  kLog.debug(what, {{"node", node.str()}, {"error", error}});
  if (rest_.empty()) error_ = error;
  rest_.insert(node);
}

std::optional<MonoTime> NodeNews::deadline() const { return rest_.empty() ? std::nullopt : until_; }

void NodeNews::tell_rest(MonoTime now) {
  if (!until_ || now < *until_) return;
  if (!rest_.empty()) {
    kLog.warn("more nodes do not answer; level debug names each",
              {{"count", rest_.size()}, {"nodes", first_names(rest_)}, {"error", error_}});
  }
  until_.reset();
  told_.clear();
  rest_.clear();
}

}  // namespace sandboxd::orch
