#include "containerd/pull_watch.hpp"

#include "containerd/content.hpp"
#include "containerd/methods.hpp"
#include "containerd/registry_auth.hpp"
#include "containerd/rpc.hpp"
#include "containerd/wire.pb.h"

#include <map>
#include <string_view>
#include <utility>

namespace sandboxd::containerd {

namespace {

constexpr std::string_view kLayerLabel = "containerd.io/gc.ref.content.l.";
constexpr const char* kSourceLabel = "containerd.io/distribution.source.";
// Written by the same machine's clock, but not at the same place.
constexpr std::int64_t kClockSlackSeconds = 1;

// Whether the comma-separated list has this word.
bool has_word(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    if (list.substr(0, comma) == word) return true;
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
  }
  return false;
}

bool has_layers(const wire::ContentInfo& info) {
  for (const auto& label : info.labels()) {
    if (std::string_view(label.first).starts_with(kLayerLabel)) return true;
  }
  return false;
}

// The label has the registry without its port, and an IPv6 address without its brackets.
std::string source_of(const std::string& name) {
  const std::string registry = registry_of(name);
  if (registry.starts_with('[')) return registry.substr(1, registry.find(']') - 1);
  return registry.substr(0, registry.find(':'));
}

std::string repository_of(const std::string& name) {
  std::string path = name.substr(name.find('/') + 1);
  return path.substr(0, path.find_first_of("@:"));
}

}  // namespace

PullWatch::PullWatch(Context& context, std::string name, WallTime began)
    : context_(context), source_(source_of(name)), repository_(repository_of(name)), began_(began) {}

Task<std::string> PullWatch::find_manifest() {
  const std::string label = kSourceLabel + source_;
  wire::ListContentRequest request;
  request.add_filters("labels.\"" + label + "\"");
  const auto stream =
      context_.channel.open_stream(method::kContentList, request.SerializeAsString(), context_.options.call_timeout);
  std::string found;
  std::int64_t newest = began_.ns / 1'000'000'000 - kClockSlackSeconds;
  for (;;) {
    const auto message = co_await stream->next();
    wire::ListContentReply reply;
    if (!message || !*message || !reply.ParseFromString(**message)) co_return found;
    for (const wire::ContentInfo& info : reply.info()) {
      const auto source = info.labels().find(label);
      if (source == info.labels().end() || !has_word(source->second, repository_)) continue;
      if (!has_layers(info) || info.created_at().seconds() < newest) continue;
      newest = info.created_at().seconds();
      found = info.digest();
    }
  }
}

Task<void> PullWatch::find_layers() {
  const std::string manifest = co_await find_manifest();
  if (manifest.empty()) co_return;
  const auto document = co_await read_blob(&context_, manifest);
  if (!document) co_return;
  auto parsed = parse_manifest(*document);
  if (parsed) layers_ = std::move(parsed->layers);
}

Task<bool> PullWatch::has_blob(std::string digest) {
  wire::ContentInfoRequest request;
  request.set_digest(std::move(digest));
  const auto reply =
      co_await context_.channel.unary(method::kContentInfo, request.SerializeAsString(), context_.options.call_timeout);
  co_return reply.has_value();
}

Task<void> PullWatch::sample(std::shared_ptr<model::PullProgress> progress) {
  if (layers_.empty()) co_await find_layers();
  if (layers_.empty()) co_return;
  const auto reply = co_await call<wire::ListIngestsReply>(context_.channel, method::kContentListStatuses,
                                                           std::string(), context_.options.call_timeout);
  if (!reply) co_return;
  std::map<std::string, std::int64_t> arriving;  // by digest
  for (const wire::IngestStatus& status : reply->statuses()) {
    const auto at = status.ref().find("sha256:");
    if (at != std::string::npos) arriving[status.ref().substr(at)] = status.offset();
  }
  model::PullProgress next;
  next.image = progress->image;
  next.layers_total = static_cast<std::int64_t>(layers_.size());
  for (const BlobReference& layer : layers_) {
    next.bytes_total += layer.size;
    if (const auto at = arriving.find(layer.digest); at != arriving.end()) {
      next.bytes_done += at->second;
      continue;
    }
    if (!done_.contains(layer.digest)) {
      const bool there = co_await has_blob(layer.digest);
      if (!there) continue;
      done_.insert(layer.digest);
    }
    ++next.layers_done;
    next.bytes_done += layer.size;
  }
  *progress = next;
}

}  // namespace sandboxd::containerd
