// Images of the whole fleet, and what a sandbox uses: the use cases beside SandboxService's. Dialects call this.
//
// Images lie on nodes, each on its own; nothing of them is in the store. A list is the union over the nodes that are
// Ready, by digest. A node that does not answer is named beside what the others said, and spoils nothing. Core thread
// only.
#pragma once

#include "aio/notifier.hpp"
#include "aio/task_group.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/task.hpp"
#include "model/image.hpp"
#include "model/usage.hpp"
#include "orch/refs.hpp"
#include "orch/service.hpp"
#include "ports/clock.hpp"
#include "ports/node_transport.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sandboxd::orch {

struct FleetImage {
  model::Image image;         // of all nodes together: every name, the latest use, used when it is used anywhere
  std::vector<NodeId> nodes;  // that have it, sorted
};

// What one node made of something that was asked of several.
struct NodeFailure {
  NodeId node;
  Error error;
};

struct FleetImages {
  std::vector<FleetImage> items;    // by digest
  std::vector<NodeFailure> errors;  // nodes that did not say
};

// What came of a change: done on `nodes`, failed on the others. At least one node did it.
struct FleetImageChange {
  FleetImage image;  // of the nodes that did it
  std::vector<NodeFailure> errors;
};

// A pull as it goes, on all nodes together: layers and bytes are their sums.
using PullObserver = std::function<void(const model::PullProgress&)>;

struct PullImage {
  std::string image;
  std::optional<model::RegistryCredentials> credentials;
  NodeId node;            // empty: all that are Ready
  PullObserver observer;  // may be empty; called on the core thread
};

struct RemoveImage {
  std::string reference;  // a name, a digest, or the beginning of one that is unique
  bool force = false;     // with every name that the image has
  NodeId node;            // empty: all that have it
};

struct ImportImage {
  std::string reference;  // the name to store it under; may be empty when the archive names it
  model::ArchiveKind kind = model::ArchiveKind::image;
  model::RootfsConfig rootfs;  // for ArchiveKind::rootfs
  NodeId node;                 // empty: all that are Ready
  ports::BodySource source;    // the bytes; to several nodes they go at the pace of the slowest
};

// A pull that goes on whether or not somebody watches it.
struct WatchedPull {
  explicit WatchedPull(const boost::asio::any_io_executor& executor) : changed(executor) {}
  aio::Notifier changed;  // either of:
  std::optional<model::PullProgress> progress;
  std::optional<Result<FleetImageChange>> outcome;
};

class ImageService {
 public:
  // All outlive this.
  ImageService(boost::asio::any_io_executor executor, SandboxService& service, ports::NodeTransport& transport,
               ports::Clock& clock)
      : executor_(executor), service_(service), transport_(transport), clock_(clock), pulls_(executor) {}
  // Gives up the pulls of watch_pull(); what nodes do of them goes on. Before destruction.
  [[nodiscard]] Task<void> stop();

  [[nodiscard]] Task<Result<FleetImages>> list();
  // By name, digest or the unique beginning of a digest. Errors: not_found `image not found`, conflict (the beginning
  // of several).
  [[nodiscard]] Task<Result<FleetImage>> inspect(std::string reference);
  // The Ready nodes that have it, which a create without a pull is limited to; empty: every one. Errors: as inspect().
  [[nodiscard]] Task<Result<std::vector<NodeId>>> limited_to(std::string reference);
  // Returns when every node is done. Errors, when no node has it in the end: invalid_argument (the reference),
  // not_found (the registry has none), permission_denied (the registry wants other credentials), unavailable (registry
  // or nodes cannot be reached; no node is Ready), resource_exhausted (disk), image_failed.
  [[nodiscard]] Task<Result<FleetImageChange>> pull(PullImage request);
  // The same in the background. `request.observer` is not called.
  [[nodiscard]] std::shared_ptr<WatchedPull> watch_pull(PullImage request);
  // From every node that has it, or, when it is in use on one of them, from none. Errors: not_found, conflict (in use,
  // naming by whom), and what a node answers.
  [[nodiscard]] Task<Result<void>> remove(RemoveImage request);
  // Errors: invalid_argument (what is wrong with the archive), too_large, and as pull().
  [[nodiscard]] Task<Result<FleetImageChange>> import(ImportImage request);

  // Zeros for a sandbox that does not run or is not on a node yet. Errors: not_found, unavailable (its node).
  [[nodiscard]] Task<Result<model::SandboxUsage>> usage(SandboxId id);

 private:
  // The node that was chosen, or all that are Ready. Errors: not_found, unavailable (none is).
  [[nodiscard]] Task<Result<std::vector<NodeRef>>> targets(NodeId node);

  // conflict when sandboxes anywhere use what would go.
  [[nodiscard]] Task<Result<void>> refuse_used(RemoveImage request);
  [[nodiscard]] Task<void> run(PullImage request, std::shared_ptr<WatchedPull> watched);

  boost::asio::any_io_executor executor_;
  SandboxService& service_;
  ports::NodeTransport& transport_;
  ports::Clock& clock_;
  aio::TaskGroup pulls_;
};

}  // namespace sandboxd::orch
