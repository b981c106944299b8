#include "orch/image_service.hpp"

#include "orch/node_image_calls.hpp"
#include "orch/shared_source.hpp"

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

namespace sandboxd::orch {
namespace {

constexpr std::size_t kUsersNamed = 5;

// One question to several nodes at once.
template <class T>
struct Asked {
  NodeRef node;
  std::optional<Result<T>> answer;
};
template <class T>
using AskedPtr = std::shared_ptr<Asked<T>>;

template <class T>
Task<void> fill(AskedPtr<T> asked, Task<Result<T>> work) {
  auto answer = co_await std::move(work);
  asked->answer.emplace(std::move(answer));
}

// All at once; returns when the last is done. `ask(node)` makes the call.
template <class T, class Ask>
Task<std::vector<AskedPtr<T>>> ask_all(std::vector<NodeRef> nodes, Ask ask) {
  const auto executor = co_await boost::asio::this_coro::executor;
  std::vector<AskedPtr<T>> all;
  aio::TaskGroup group(executor);
  for (const NodeRef& node : nodes) {
    all.push_back(std::make_shared<Asked<T>>(Asked<T>{node, std::nullopt}));
    group.spawn("orch.images", fill<T>(all.back(), ask(node)));
  }
  std::exception_ptr cancelled;
  try {
    co_await group.join();
  } catch (const boost::system::system_error&) {
    cancelled = std::current_exception();
  }
  if (!cancelled) co_return all;
  co_await aio::ignore_cancellation();
  group.cancel();
  co_await group.join();
  std::rethrow_exception(cancelled);
}

void merge(FleetImage& into, const model::Image& image, const NodeId& node) {
  into.nodes.push_back(node);
  model::Image& all = into.image;
  if (all.digest.empty()) {
    all = image;
    return;
  }
  for (const std::string& name : image.names) {
    const auto at = std::lower_bound(all.names.begin(), all.names.end(), name);
    if (at == all.names.end() || *at != name) all.names.insert(at, name);
  }
  all.last_used = std::max(all.last_used, image.last_used);
  all.is_used = all.is_used || image.is_used;
  all.size_bytes = std::max(all.size_bytes, image.size_bytes);
}

// What several nodes made of a change: one answer, or the most telling of their errors.
Result<FleetImageChange> merge_change(const std::vector<AskedPtr<model::Image>>& all) {
  std::map<std::string, FleetImage> images;
  FleetImageChange out;
  for (const auto& asked : all) {
    if (*asked->answer) {
      const model::Image& image = **asked->answer;
      merge(images[image.digest], image, asked->node->id);
    } else {
      out.errors.push_back({asked->node->id, asked->answer->error()});
    }
  }
  if (images.empty()) {
    // What the registry says is more than that a node cannot be reached.
    const auto telling = std::find_if(out.errors.begin(), out.errors.end(),
                                      [](const auto& e) { return e.error.code() != ErrorCode::unavailable; });
    const NodeFailure& chosen = telling == out.errors.end() ? out.errors.front() : *telling;
    return chosen.error;
  }
  // A tag that moves while nodes pull it: what most of them have.
  const auto best = std::max_element(images.begin(), images.end(), [](const auto& a, const auto& b) {
    return a.second.nodes.size() < b.second.nodes.size();
  });
  out.image = std::move(best->second);
  std::sort(out.image.nodes.begin(), out.image.nodes.end());
  return out;
}

// The name as a user may shorten it: "alpine" is "docker.io/library/alpine:latest".
bool is_named(const std::string& name, const std::string& reference) {
  if (name == reference) return true;
  for (const std::string_view host : {"docker.io/library/", "docker.io/"}) {
    if (!name.starts_with(host)) continue;
    const std::string_view rest = std::string_view(name).substr(host.size());
    if (rest == reference || rest == reference + ":latest") return true;
  }
  return name == reference + ":latest";
}

// Coroutines that have the calls as a parameter: those of a temporary would outlive it.
Task<Result<std::vector<model::Image>>> list_of(NodeImageCalls calls, model::NodeAddress node) {
  co_return co_await calls.list(std::move(node));
}
Task<Result<model::Image>> pull_to(NodeImageCalls calls, model::NodeAddress node, PullImage request,
                                   PullObserver tell) {
  co_return co_await calls.pull(std::move(node), std::move(request.image), std::move(request.credentials),
                                std::move(tell));
}
Task<Result<bool>> remove_from(NodeImageCalls calls, model::NodeAddress node, RemoveImage request) {
  co_return co_await calls.remove(std::move(node), std::move(request.reference), request.force);
}

}  // namespace

Task<Result<std::vector<NodeRef>>> ImageService::targets(NodeId node) {
  std::vector<NodeRef> out;
  if (!node.empty()) {
    SBX_CO_TRY(one, co_await service_.get_node(std::move(node)));
    out.push_back(std::move(one));
    co_return out;
  }
  NodeQuery query;
  query.states = {model::NodeState::ready};
  SBX_CO_TRY(list, co_await service_.list_nodes(std::move(query)));
  if (list.items.empty()) co_return Error(ErrorCode::unavailable, "no node is Ready");
  co_return std::move(list.items);
}

Task<Result<FleetImages>> ImageService::list() {
  FleetImages out;
  auto nodes = co_await targets(NodeId());
  if (!nodes && nodes.error().code() == ErrorCode::unavailable) co_return out;  // no node, no image
  if (!nodes) co_return nodes.error();
  const auto ask = [this](const NodeRef& node) { return list_of({transport_, clock_}, node->address); };
  const auto all = co_await ask_all<std::vector<model::Image>>(*std::move(nodes), ask);
  std::map<std::string, FleetImage> images;
  for (const auto& asked : all) {
    if (!*asked->answer) {
      out.errors.push_back({asked->node->id, asked->answer->error()});
      continue;
    }
    for (const model::Image& image : **asked->answer) merge(images[image.digest], image, asked->node->id);
  }
  for (auto& [digest, image] : images) {
    std::sort(image.nodes.begin(), image.nodes.end());
    out.items.push_back(std::move(image));
  }
  co_return out;
}

Task<Result<FleetImage>> ImageService::inspect(std::string reference) {
  SBX_CO_TRY(images, co_await list());
  const std::string digest = reference.starts_with("sha256:") ? reference : "sha256:" + reference;
  const FleetImage* begun = nullptr;
  std::size_t count = 0;
  for (const FleetImage& image : images.items) {
    const auto& names = image.image.names;
    const bool named = std::any_of(names.begin(), names.end(), [&](const auto& n) { return is_named(n, reference); });
    if (named || image.image.digest == digest) co_return image;
    if (reference.empty() || !image.image.digest.starts_with(digest)) continue;
    begun = &image;
    ++count;
  }
  if (count == 1) co_return *begun;
  if (count > 1) {
    co_return Error(ErrorCode::conflict, "\"" + reference + "\" is the beginning of " + std::to_string(count) +
                                             " images' digests: give more of it");
  }
  // Whoever did not answer may have it.
  if (images.items.empty() && !images.errors.empty()) co_return images.errors.front().error;
  co_return Error(ErrorCode::not_found, "image not found");
}

Task<Result<std::vector<NodeId>>> ImageService::limited_to(std::string reference) {
  SBX_CO_TRY(image, co_await inspect(std::move(reference)));
  SBX_CO_TRY(ready, co_await targets(NodeId()));
  if (image.nodes.size() >= ready.size()) image.nodes.clear();
  co_return std::move(image.nodes);
}

namespace {

// Each node's last word, summed up for the observer.
struct PullSum {
  std::map<NodeId, model::PullProgress> by_node;
  PullObserver observer;

  void tell(const NodeId& node, const model::PullProgress& progress) {
    by_node[node] = progress;
    model::PullProgress sum;
    sum.image = progress.image;
    for (const auto& [id, one] : by_node) {
      sum.layers_total += one.layers_total;
      sum.layers_done += one.layers_done;
      sum.bytes_total += one.bytes_total;
      sum.bytes_done += one.bytes_done;
    }
    observer(sum);
  }
};

}  // namespace

Task<Result<FleetImageChange>> ImageService::pull(PullImage request) {
  if (request.image.empty()) co_return Error(ErrorCode::invalid_argument, "image is required");
  SBX_CO_TRY(nodes, co_await targets(std::move(request.node)));
  const auto sum = std::make_shared<PullSum>();
  sum->observer = std::move(request.observer);
  const auto ask = [this, sum, &request](const NodeRef& node) {
    PullObserver tell;
    if (sum->observer) tell = [sum, id = node->id](const model::PullProgress& progress) { sum->tell(id, progress); };
    return pull_to({transport_, clock_}, node->address, request, std::move(tell));
  };
  const auto all = co_await ask_all<model::Image>(std::move(nodes), ask);
  co_return merge_change(all);
}

Task<void> ImageService::stop() {
  pulls_.cancel();
  co_await pulls_.join();
}

std::shared_ptr<WatchedPull> ImageService::watch_pull(PullImage request) {
  auto watched = std::make_shared<WatchedPull>(executor_);
  pulls_.spawn("orch.pull", run(std::move(request), watched));
  return watched;
}

Task<void> ImageService::run(PullImage request, std::shared_ptr<WatchedPull> watched) {
  request.observer = [watched](const model::PullProgress& progress) {
    watched->progress = progress;
    watched->changed.notify();
  };
  auto outcome = co_await pull(std::move(request));
  watched->outcome = std::move(outcome);
  watched->changed.notify();
}

Task<Result<void>> ImageService::refuse_used(RemoveImage request) {
  SBX_CO_TRY(found, co_await inspect(request.reference));
  const std::vector<std::string>& names = found.image.names;
  const bool is_named_alone = names.size() > 1 && std::ranges::any_of(names, [&](const std::string& name) {
                                return is_named(name, request.reference);
                              });
  if (is_named_alone && !request.force) co_return Result<void>();  // a name goes, the image stays
  SBX_CO_TRY(sandboxes, co_await service_.list());
  std::vector<std::string> users;
  for (const SandboxRef& sandbox : sandboxes.items) {
    if (sandbox->node.empty()) continue;
    const bool uses = std::ranges::any_of(sandbox->spec.containers, [&](const model::Container& container) {
      return std::ranges::any_of(names, [&](const std::string& name) { return is_named(name, container.image); });
    });
    if (uses) users.push_back(sandbox->id.str());
  }
  if (users.empty()) co_return Result<void>();
  std::string text = "image \"" + request.reference + "\" is used by sandbox ";
  for (std::size_t n = 0; n < std::min(users.size(), kUsersNamed); ++n) text += (n == 0 ? "" : ", ") + users[n];
  if (users.size() > kUsersNamed) text += " and " + std::to_string(users.size() - kUsersNamed) + " more";
  co_return Error(ErrorCode::conflict, text + ": delete that first (force does not take an image from its sandboxes)");
}

Task<Result<void>> ImageService::remove(RemoveImage request) {
  // Nodes refuse what they use themselves; asked one by one, the others would have removed it by then.
  if (request.node.empty()) {
    const auto refusal = co_await refuse_used(request);
    if (!refusal && refusal.error().code() == ErrorCode::conflict) co_return refusal.error();
  }
  SBX_CO_TRY(nodes, co_await targets(request.node));
  const auto ask = [this, &request](const NodeRef& node) {
    return remove_from({transport_, clock_}, node->address, request);
  };
  const auto all = co_await ask_all<bool>(std::move(nodes), ask);
  bool is_removed = false;
  std::optional<Error> failure;
  for (const auto& asked : all) {
    const Result<bool>& answer = *asked->answer;
    if (answer) {
      is_removed = true;
      continue;
    }
    // A stock node has no images that we could know of.
    const ErrorCode code = answer.error().code();
    const bool is_absent = code == ErrorCode::not_found || code == ErrorCode::unsupported;
    if (!is_absent) failure = answer.error().with_context("node " + asked->node->id.str());
  }
  if (failure) co_return *failure;
  if (!is_removed) co_return Error(ErrorCode::not_found, "image not found");
  co_return Result<void>();
}

namespace {

Task<Result<model::Image>> import_to(NodeImageCalls calls, model::NodeAddress node, std::string query,
                                     std::shared_ptr<SharedSource> archive) {
  const auto mine = std::make_shared<SharedSource::Reader>(archive);
  auto image = co_await calls.import(std::move(node), std::move(query), [mine] { return mine->next(); });
  mine->leave();  // a node that failed does not hold the others up
  co_return image;
}

}  // namespace

Task<Result<FleetImageChange>> ImageService::import(ImportImage request) {
  SBX_CO_TRY(nodes, co_await targets(std::move(request.node)));
  const auto archive = std::make_shared<SharedSource>(executor_, std::move(request.source), nodes.size());
  const std::string query = import_query(request);
  const auto ask = [this, archive, &query](const NodeRef& node) {
    return import_to({transport_, clock_}, node->address, query, archive);
  };
  const auto all = co_await ask_all<model::Image>(std::move(nodes), ask);
  co_return merge_change(all);
}

Task<Result<model::SandboxUsage>> ImageService::usage(SandboxId id) {
  SBX_CO_TRY(sandbox, co_await service_.get(id));
  if (sandbox->node.empty()) co_return model::SandboxUsage();
  auto node = co_await service_.get_node(sandbox->node);
  if (!node) co_return model::SandboxUsage();
  auto usage = co_await NodeImageCalls(transport_, clock_).usage((*node)->address, id);
  // Not there yet, or not there any more: it uses nothing.
  if (!usage && usage.error().code() == ErrorCode::not_found) co_return model::SandboxUsage();
  co_return usage;
}

}  // namespace sandboxd::orch
