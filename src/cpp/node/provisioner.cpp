#include "node/provisioner.hpp"

#include "aio/deadline.hpp"
#include "aio/shield.hpp"
#include "base/log.hpp"
#include "node/gather.hpp"
#include "node/life_cycle.hpp"
#include "node/readiness.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace sandboxd::node {
namespace {

constexpr Log kLog("node");
constexpr Duration kPauseMin = std::chrono::milliseconds(200);
constexpr Duration kPauseMax = std::chrono::seconds(5);
constexpr Duration kAgentStart = std::chrono::seconds(10);
constexpr Duration kAgentLook = std::chrono::milliseconds(100);  // between looks for an early exit

bool has_exited(const Entry& entry) { return !entry.exits.empty(); }

// sandboxd-o's words for a container that ended while its sandbox was coming up.
std::string early_exit_text(const Entry& entry) {
  for (const auto& container : entry.record.containers) {
    if (entry.exits.contains(container.key))
      return "sandbox " + entry.id().str() + " container " + container.name + " became container_exited before ready";
  }
  return "pause container is not running";
}

// As events told.
std::vector<Missing> ended_containers(const Entry& entry) {
  std::vector<Missing> ended;
  const auto look = [&](const std::string& key, const std::string& name) {
    const auto exit = entry.exits.find(key);
    if (exit != entry.exits.end()) ended.push_back({key, name, exit->second});
  };
  for (const auto& container : entry.record.containers) look(container.key, container.name);
  look(entry.record.pod_key, "pause");
  return ended;
}

bool has_first_life(const model::NodeSandbox& record, const std::string& key) {
  return std::none_of(record.containers.begin(), record.containers.end(),
                      [&](const auto& container) { return container.restarts > 0 && container.key == key; });
}

Error pull_error(const Error& error, const std::string& reference) {
  if (error.message().starts_with("pull image")) return error;
  return error.with_context("pull image \"" + reference + "\"");
}

}  // namespace

void mark_running(model::NodeContainer& container, const Entry& entry) {
  container.phase = model::ContainerPhase::running;
  container.task_status.clear();
  container.error.clear();
  container.exit_code.reset();
  const auto pid = entry.pids.find(container.key);
  if (pid != entry.pids.end()) container.pid = pid->second;
  const auto image = entry.images.find(container.key);
  if (image == entry.images.end()) return;
  if (!image->second.reference.empty()) container.image = image->second.reference;
  container.image_digest = image->second.digest;
}

void Provisioner::begin(EntryPtr entry, From from) {
  const auto work = entry->work;
  work->spawn("provision", provision(std::move(entry), from));
}

Task<void> Provisioner::provision(EntryPtr entry, From from) {
  auto ready = co_await aio::with_deadline(core_.ports.clock, core_.options.config.provision_timeout,
                                           run_insistently(entry, from), "provisioning timeout");
  if (ready) {
    kLog.info("sandbox running", {{"sandbox", entry->id().str()}, {"ip", entry->record.ip}});
    core_.announce(*entry);
    if (has_exited(*entry)) container_exited(entry);
    co_return;
  }
  if (entry->ending || entry->record.phase != model::Phase::creating) co_return;
  entry->ending = true;
  std::string text = ready.error().message();
  if (ready.error().code() == ErrorCode::deadline_exceeded) {
    if (!entry->obstacle.empty()) text += ": " + entry->obstacle;
    for (const std::string& image : entry->awaited_images) text += ": image \"" + image + "\" is still being pulled";
  }
  core_.tasks.spawn("finish", remover_.finish(entry, {model::Phase::failed, std::move(text)}));
}

// The sandbox was accepted: a runtime that does not answer delays it and does not end it.
Task<Result<void>> Provisioner::run_insistently(EntryPtr entry, From from) {
  Duration pause = kPauseMin;
  for (;;) {
    auto done = co_await run(entry, from);
    if (done || done.error().code() != ErrorCode::unavailable) co_return done;
    entry->obstacle = done.error().message();
    kLog.warn("creation will be tried again", {{"sandbox", entry->id().str()}, {"error", entry->obstacle}});
    co_await core_.ports.clock.sleep_for(pause);
    pause = std::min(pause * 2, kPauseMax);
    // Whatever had been made, and whatever a call left whose answer was lost, goes first.
    if (from == From::nothing) from = From::leftovers;
  }
}

Task<Result<void>> Provisioner::run(EntryPtr entry, From from) {
  if (from == From::leftovers) {
    entry->redoing = true;
    entry->started = false;
    entry->pids.clear();
    entry->awaited_images.clear();
    SBX_CO_CHECK(co_await remover_.take_down_once(entry));
    entry->slot = {};
  }
  if (from == From::containers) {
    entry->started = true;
    SBX_CO_CHECK(co_await open_outputs(entry));
    SBX_CO_CHECK(co_await aio::shield(core_.ports.network.set_egress(entry->slot, entry->record.spec.egress)));
  } else {
    SBX_CO_CHECK(co_await make_containers(entry));
  }
  co_return co_await go_live(entry);
}

Task<Result<void>> Provisioner::make_containers(EntryPtr entry) {
  const std::size_t count = entry->record.spec.containers.size();
  // Slot and pipes are part `count`; they and the images do not depend on each other.
  std::vector<Task<Result<ports::ImageInfo>>> preparations;
  for (std::size_t i = 0; i <= count; ++i) preparations.push_back(prepare(entry, i));
  auto prepared = co_await gather(std::move(preparations));
  SBX_CO_CHECK(all_succeeded(prepared));
  std::vector<ports::ImageInfo> images;
  for (std::size_t i = 0; i < count; ++i) images.push_back(*std::move(prepared[i]));

  SBX_CO_TRY(parts, co_await prepare_parts(entry));
  // In force before the first process of the sandbox can send anything.
  SBX_CO_CHECK(co_await aio::shield(core_.ports.network.set_egress(entry->slot, entry->record.spec.egress)));
  core_.reached(step::kPolicySet, entry->id());

  const auto permit = co_await core_.making.acquire();
  // Events of an earlier run's containers, whose keys were the same, have come by now.
  entry->redoing = false;
  entry->exits.clear();
  SBX_CO_CHECK(co_await create_all(entry, std::move(parts), std::move(images)));
  co_return co_await start_all(entry);
}

Task<Result<void>> Provisioner::make_one(EntryPtr entry, std::size_t index) {
  SBX_CO_TRY(image, co_await ensure_image(entry, index));
  const std::string key = entry->record.containers[index].key;
  const std::string name = entry->record.containers[index].name;
  auto opened = co_await aio::shield(core_.ports.output.open(entry->id(), name));
  if (!opened) co_return opened.error().with_context("container " + name + ": open log");
  entry->pipes[key] = *std::move(opened);
  SBX_CO_TRY(parts, co_await prepare_parts(entry));
  const auto permit = co_await core_.making.acquire();
  entry->images[key] = {image.reference, image.digest};
  SBX_CO_CHECK(
      co_await create_one(entry, plan_container(core_.options.config, entry->record, index, parts, std::move(image))));
  auto pid = co_await start_one(entry, key, name);
  if (!pid) co_return pid.error();
  co_return Result<void>();
}

// What all containers share and need a place on the host for.
Task<Result<PlanParts>> Provisioner::prepare_parts(EntryPtr entry) {
  PlanParts parts;
  parts.slot = entry->slot;
  if (core_.ports.files != nullptr) {
    ports::SandboxFilesRequest request{entry->id(), entry->id().str(), entry->slot.ip, entry->record.spec.volumes};
    auto files = co_await aio::shield(core_.ports.files->prepare(std::move(request)));
    if (!files) co_return files.error();
    parts.files = *std::move(files);
  } else if (!entry->record.spec.volumes.empty()) {
    co_return Error(ErrorCode::unsupported, "this node cannot make volumes");
  }
  co_return parts;
}

Task<Result<ports::ImageInfo>> Provisioner::prepare(EntryPtr entry, std::size_t part) {
  if (part < entry->record.spec.containers.size()) co_return co_await ensure_image(entry, part);
  SBX_CO_CHECK(co_await prepare_slot(entry));
  SBX_CO_CHECK(co_await open_outputs(entry));
  co_return ports::ImageInfo{};
}

Task<Result<void>> Provisioner::prepare_slot(EntryPtr entry) {
  const bool ready = entry->slot.name == entry->record.slot && !entry->slot.namespace_path.empty();
  if (!ready) {
    auto made = co_await aio::shield(core_.ports.network.make_slot(entry->record.slot));
    if (!made) co_return made.error();
    entry->slot = *std::move(made);
  }
  if (entry->slot.ip.empty()) co_return Error(ErrorCode::network_failed, "sandbox ip not assigned by cni");
  core_.reached(step::kSlotClaimed, entry->id());
  co_return Result<void>();
}

Task<Result<void>> Provisioner::open_outputs(EntryPtr entry) {
  const std::vector<model::NodeContainer> containers = entry->record.containers;
  for (const auto& container : containers) {
    auto opened = co_await aio::shield(core_.ports.output.open(entry->id(), container.name));
    if (!opened) co_return opened.error().with_context("container " + container.name + ": open log");
    entry->pipes[container.key] = *std::move(opened);
  }
  entry->changed.notify();
  core_.reached(step::kOutputOpened, entry->id());
  co_return Result<void>();
}

Task<Result<ports::ImageInfo>> Provisioner::ensure_image(EntryPtr entry, std::size_t index) {
  const std::string reference = entry->record.spec.containers[index].image;
  const auto awaited = entry->awaited_images.insert(reference);
  auto image = co_await core_.ports.runtime.ensure_image(reference);
  entry->awaited_images.erase(awaited);
  if (!image) {
    core_.images.missing(reference);
    co_return pull_error(image.error(), reference);
  }
  core_.images.used(reference, image->digest);
  core_.reached(step::kImageReady, entry->id());
  co_return image;
}

Task<Result<void>> Provisioner::create_all(EntryPtr entry, PlanParts parts, std::vector<ports::ImageInfo> images) {
  const NodeConfig& config = core_.options.config;
  if (!entry->record.pod_key.empty()) {
    // The others join the namespaces that the root's process holds, so it runs before they are made.
    SBX_CO_CHECK(co_await create_one(entry, plan_root(config, entry->record, parts)));
    auto root = co_await start_one(entry, entry->record.pod_key, "pause");
    if (!root) co_return root.error();
  }
  std::vector<Task<Result<void>>> creations;
  for (std::size_t i = 0; i < images.size(); ++i) {
    entry->images[entry->record.containers[i].key] = {images[i].reference, images[i].digest};
    creations.push_back(create_one(entry, plan_container(config, entry->record, i, parts, std::move(images[i]))));
  }
  auto created = co_await gather(std::move(creations));
  co_return all_succeeded(created);
}

Task<Result<void>> Provisioner::create_one(EntryPtr entry, ports::ContainerRequest request) {
  std::string what = "create container " + request.container.name;
  if (!request.image.reference.empty()) what += " of image \"" + request.image.reference + "\"";
  const auto pipes = entry->pipes.find(request.key);
  if (pipes != entry->pipes.end()) {
    request.stdout_fifo = pipes->second.stdout_fifo;
    request.stderr_fifo = pipes->second.stderr_fifo;
  }
  if (has_agent(core_, *entry) && request.role != ports::ContainerRole::pod_root) {
    ports::GuestAgents* guests = core_.ports.guests;
    auto place = co_await aio::shield(guests->prepare(request.key));
    if (!place) co_return place.error().with_context(what);
    request.mounts.push_back(*std::move(place));
    request.set_up_guest = [guests, key = request.key](ports::GuestSetup setup) {
      return guests->set_up(key, std::move(setup));
    };
  }
  const bool had_restart = request.again && !has_first_life(entry->record, request.key);
  auto fresh = request;
  auto created = co_await aio::shield(core_.ports.runtime.create(std::move(request)));
  if (!created && had_restart && created.error().code() == ErrorCode::not_found) {
    // Stopped between the end of its last life and the next, which begins on fresh files.
    fresh.again = false;
    created = co_await aio::shield(core_.ports.runtime.create(std::move(fresh)));
  }
  if (!created) co_return created.error().with_context(what);
  core_.reached(step::kContainerCreated, entry->id());
  co_return created;
}

Task<Result<std::uint32_t>> Provisioner::start_one(EntryPtr entry, std::string key, std::string name) {
  auto pid = co_await aio::shield(core_.ports.runtime.start(key));
  if (pid) kLog.debug("container started", {{"sandbox", entry->id().str()}, {"container", key}});
  if (pid && key != entry->record.pod_key && has_agent(core_, *entry)) {
    const auto main = co_await wait_main_started(entry, key);
    if (!main) pid = main.error();
  }
  if (!pid) {
    std::string what = "start container " + name;
    if (const auto image = entry->images.find(key); image != entry->images.end())
      what += " of image \"" + image->second.reference + "\"";
    co_return pid.error().with_context(what);
  }
  entry->pids[key] = *pid;
  core_.reached(step::kContainerStarted, entry->id());
  co_return pid;
}

// The agent says so when it connects, unless the main process ended before that. An agent that does neither in time is
// no reason to fail: the workload may well run.
Task<Result<void>> Provisioner::wait_main_started(EntryPtr entry, std::string key) {
  const MonoTime give_up = core_.ports.clock.mono_now() + kAgentStart;
  while (core_.ports.clock.mono_now() < give_up) {
    const auto start = co_await core_.ports.guests->wait_connected(key, kAgentLook);
    if (start && start->is_unstarted) co_return Error(ErrorCode::runtime_failed, start->error);
    if (start || entry->exits.contains(key)) co_return Result<void>();
  }
  kLog.warn("the in-sandbox agent has not connected", {{"container", key}});
  co_return Result<void>();
}

Task<Result<void>> Provisioner::start_all(EntryPtr entry) {
  std::vector<Task<Result<std::uint32_t>>> starts;
  for (const auto& container : entry->record.containers)
    starts.push_back(start_one(entry, container.key, container.name));
  auto started = co_await gather(std::move(starts));
  SBX_CO_CHECK(all_succeeded(started));
  entry->obstacle.clear();
  entry->started = true;
  co_return Result<void>();
}

Task<Result<void>> Provisioner::lower_cpu(EntryPtr entry) {
  for (const RaisedCpu& raised : raised_cpu(core_.options.config, entry->record)) {
    auto lowered = co_await aio::shield(core_.ports.runtime.set_cpu_limit(raised.key, raised.limit_milli));
    if (!lowered) co_return lowered.error().with_context("set CPU limit");
  }
  co_return Result<void>();
}

// A probe that never passes gives nobody more CPU than it asked for. What fails here is done by go_live() or reported.
Task<void> Provisioner::lower_cpu_later(EntryPtr entry) {
  co_await core_.ports.clock.sleep_for(core_.options.config.start_cpu_time);
  if (entry->ending || entry->record.phase != model::Phase::creating) co_return;
  const auto lowered = co_await lower_cpu(entry);
  if (!lowered) kLog.warn("CPU limit", {{"sandbox", entry->id().str()}, {"error", lowered.error().message()}});
}

Task<Result<void>> Provisioner::wait_ready(EntryPtr entry, model::ReadinessProbe probe) {
  // An exit that came before `started` was set is caught here; later ones cancel this coroutine.
  if (has_exited(*entry)) co_return Error(ErrorCode::runtime_failed, early_exit_text(*entry));
  if (!raised_cpu(core_.options.config, entry->record).empty())
    entry->work->spawn("lower CPU limit", lower_cpu_later(entry));
  co_return co_await wait_until_ready(core_.ports.clock, core_.ports.prober, entry->id(), entry->slot.ip, probe);
}

Task<Result<void>> Provisioner::go_live(EntryPtr entry) {
  const std::optional<model::ReadinessProbe> probe = entry->record.spec.readiness_probe;
  if (probe) SBX_CO_CHECK(co_await wait_ready(entry, *probe));
  core_.reached(step::kProbePassed, entry->id());
  // Before `running` is durable: whatever runs has its own limit, also after a crash.
  SBX_CO_CHECK(co_await lower_cpu(entry));
  SBX_CO_CHECK(co_await aio::shield(core_.ports.network.publish(entry->slot, entry->record.ports)));
  core_.reached(step::kPublished, entry->id());
  auto changed = co_await core_.table.change(entry, [this, &entry](model::NodeSandbox& record) {
    if (record.phase != model::Phase::creating) return false;
    record.phase = model::Phase::running;
    record.error.clear();
    record.ip = entry->slot.ip;
    record.started_at = core_.ports.clock.wall_now();
    record.ended_at.reset();
    for (model::NodeContainer& container : record.containers) mark_running(container, *entry);
    return true;
  });
  entry->alive_since = core_.looks;
  if (changed) core_.reached(step::kRunning, entry->id());
  co_return changed;
}

void Provisioner::container_exited(const EntryPtr& entry) {
  if (entry->ending) return;
  if (is_up(entry->record.phase)) {
    const std::vector<Missing> ended = ended_containers(*entry);
    if (ended.empty()) return;
    // What was to stand still and died all the same is over.
    if (entry->record.phase == model::Phase::running && restarter_.take(entry, ended, true)) return;
    entry->ending = true;
    core_.tasks.spawn("exit", end_running(entry));
    return;
  }
  if (entry->record.phase != model::Phase::creating) return;
  // Before all are started, go_live() looks at what has ended. And a short job without a probe may well end before its
  // creation does: that is not a failure, and is looked at once it runs.
  if (!entry->started || !entry->record.spec.readiness_probe) return;
  entry->ending = true;
  core_.tasks.spawn("early exit", end_early(entry));
}

Task<void> Provisioner::end_early(EntryPtr entry) {
  co_await end_work(entry);
  if (entry->record.phase == model::Phase::running) {
    co_await remover_.finish(entry, Remover::explain_exit(*entry));
  } else if (entry->record.phase == model::Phase::creating) {
    co_await remover_.finish(entry, {model::Phase::failed, early_exit_text(*entry)});
  }
}

Task<void> Provisioner::end_running(EntryPtr entry) { co_await remover_.finish(entry, Remover::explain_exit(*entry)); }

}  // namespace sandboxd::node
