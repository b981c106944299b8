#include "sim/memory_runtime.hpp"

#include "sim/latency.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace sandboxd::sim {

using ports::ContainerRole;
using ports::FoundContainer;

namespace {

constexpr std::size_t kEventsKept = 4096;
constexpr int kKilled = 128 + 9;

// "0.5" as a duration, whatever the locale.
Duration parse_seconds(std::string_view text) {
  std::int64_t whole = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), whole);
  Duration out = std::chrono::seconds(ec == std::errc() ? whole : 0);
  std::string_view rest = text.substr(static_cast<std::size_t>(end - text.data()));
  std::int64_t unit = 100'000'000;
  if (!rest.starts_with('.')) return out;
  for (const char digit : rest.substr(1)) {
    if (digit < '0' || digit > '9') break;
    out += Duration((digit - '0') * unit);
    unit /= 10;
  }
  return out;
}

Program parse_script(std::string_view script) {
  Program program;
  if (script.starts_with("sleep ")) {
    program.runs = parse_seconds(script.substr(6));
    const auto semicolon = script.find("; ");
    script = semicolon == std::string_view::npos ? std::string_view("exit 0") : script.substr(semicolon + 2);
  }
  if (!script.starts_with("exit ")) return {};
  if (!program.runs) program.runs = Duration::zero();
  std::from_chars(script.data() + 5, script.data() + script.size(), program.exit_code);
  return program;
}

}  // namespace

Program default_program(const ports::ContainerRequest& request) {
  const auto& args = request.container.args;
  if (request.role == ContainerRole::pod_root || request.container.command_kind != model::CommandKind::given ||
      args.empty()) {
    return {};
  }
  Program program;
  if (args[0].starts_with("/no/such")) {
    program.missing = true;
  } else if (args[0] == "true" || args[0] == "false") {
    program.runs = Duration::zero();
    program.exit_code = args[0] == "false" ? 1 : 0;
  } else if (args[0] == "sleep" && args.size() > 1) {
    program.runs = parse_seconds(args[1]);
  } else if (args[0] == "stubborn") {
    program.ignores_stop = true;
  } else if (args[0] == "dd") {
    program.runs = std::chrono::milliseconds(100);
    program.out_of_memory = true;
    program.exit_code = kKilled;
  } else if (args.size() == 3 && args[0] == "sh" && args[1] == "-c") {
    program = parse_script(args[2]);
  }
  return program;
}

MemoryRuntimeMachine::MemoryRuntimeMachine(boost::asio::any_io_executor executor, ports::Clock& clock,
                                           MemoryRuntimeOptions options)
    : executor_(executor), clock_(clock), options_(std::move(options)), group_(executor), changed_(executor) {}

void MemoryRuntimeMachine::fail(std::string method, int nth, Error error, bool leaks) {
  planned_[std::move(method)].push_back(Planned{nth, std::move(error), leaks});
}

std::optional<MemoryRuntimeMachine::Planned> MemoryRuntimeMachine::take_planned(const std::string& method) {
  std::optional<Planned> due;
  auto& plans = planned_[method];
  for (auto plan = plans.begin(); plan != plans.end();) {
    if (--plan->remaining > 0) {
      ++plan;
      continue;
    }
    if (!due) due = *plan;
    plan = plans.erase(plan);
  }
  return due;
}

void MemoryRuntimeMachine::break_events() {
  ++stream_;
  changed_.notify();
}

void MemoryRuntimeMachine::plant(FoundContainer stray) {
  Container container;
  container.request.key = stray.key;
  container.request.sandbox = stray.sandbox;
  container.request.uid = stray.uid;
  container.life = next_life_++;
  container.found = std::move(stray);
  containers[container.request.key] = std::move(container);
}

void MemoryRuntimeMachine::emit(ports::RuntimeEvent event) {
  events_.push_back(std::move(event));
  if (events_.size() > kEventsKept) {
    events_.pop_front();
    ++first_event_;
  }
  changed_.notify();
}

void MemoryRuntimeMachine::exit(const std::string& key, int exit_code) {
  const auto at = containers.find(key);
  if (at == containers.end()) return;
  FoundContainer& found = at->second.found;
  if (found.task != FoundContainer::Task::running && found.task != FoundContainer::Task::paused) return;
  found.task = FoundContainer::Task::stopped;
  found.exit_code = exit_code;
  ports::ContainerExited event;
  event.key = key;
  event.exit_code = exit_code;
  event.at = clock_.wall_now();
  emit(std::move(event));
  if (at->second.request.role != ContainerRole::pod_root) return;
  // A pod's members do not survive the container that holds their namespaces.
  std::vector<std::string> members;
  for (const auto& [other, container] : containers) {
    if (container.request.pod_key == key) members.push_back(other);
  }
  for (const std::string& member : members) exit(member, kKilled);
}

void MemoryRuntimeMachine::out_of_memory(const std::string& key) {
  const auto at = containers.find(key);
  if (at == containers.end() || at->second.found.task != FoundContainer::Task::running) return;
  emit(ports::ContainerOutOfMemory{key});
  exit(key, kKilled);
}

Task<void> MemoryRuntimeMachine::live(std::string key, std::uint64_t life, Program program) {
  co_await clock_.sleep_for(*program.runs);
  const auto stands_still = [&] {
    const auto there = containers.find(key);
    return there != containers.end() && there->second.life == life &&
           there->second.found.task == FoundContainer::Task::paused;
  };
  while (stands_still()) co_await changed_.wait();
  const auto at = containers.find(key);
  if (at == containers.end() || at->second.life != life) co_return;
  if (program.out_of_memory) {
    out_of_memory(key);
  } else {
    exit(key, program.exit_code);
  }
}

Task<void> MemoryRuntimeMachine::stop() {
  group_.cancel();
  co_await group_.join();
}

Task<Result<void>> MemoryRuntime::enter(std::string method, Duration latency) {
  auto machine = machine_;
  co_await take_time(machine->clock_, latency);
  if (machine->down) {
    co_return Error(ErrorCode::unavailable, "containerd does not answer (simulated): start it, or correct its address");
  }
  if (auto planned = machine->take_planned(method)) co_return planned->error;
  co_return Result<void>();
}

Task<Result<void>> MemoryRuntime::check() { return enter("check", machine_->options_.call_latency); }

Task<Result<void>> MemoryRuntime::pull(std::string name) {
  auto machine = machine_;
  while (machine->pulling_.contains(name)) co_await machine->changed_.wait();
  if (machine->images.local.contains(name)) co_return Result<void>();
  // Ends the pull for the others too when this coroutine is destroyed in the middle.
  struct Pulling {
    ~Pulling() {
      owner->pulling_.erase(image);
      owner->changed_.notify();
    }
    std::shared_ptr<MemoryRuntimeMachine> owner;
    std::string image;
  };
  const Pulling pulling{machine, name};
  machine->pulling_.insert(name);
  co_await take_time(machine->clock_, machine->options_.pull_latency);
  if (machine->missing_images.contains(name)) {
    co_return Error(ErrorCode::image_failed, "pull image \"" + name + "\": not found (simulated)");
  }
  ++machine->pulls;
  machine->images.pulled(name);
  co_return Result<void>();
}

Task<Result<ports::ImageInfo>> MemoryRuntime::ensure_image(std::string reference) {
  auto machine = machine_;
  SBX_CO_TRY(name, normalise_image(reference));
  SBX_CO_CHECK(co_await enter("ensure_image", machine->options_.call_latency));
  if (machine->missing_images.contains(reference)) machine->missing_images.insert(name);
  if (!machine->images.local.contains(name)) SBX_CO_CHECK(co_await pull(name));
  co_return machine->images.use(name, machine->clock_.wall_now());
}

std::optional<model::PullProgress> MemoryRuntime::pull_progress(const std::string& reference) const {
  const auto name = normalise_image(reference);
  if (!name || !machine_->pulling_.contains(*name)) return std::nullopt;
  model::PullProgress progress;
  progress.image = *name;
  progress.layers_total = 1;
  progress.bytes_total = 1;
  return progress;
}

std::set<std::string> MemoryRuntimeMachine::images_in_use() const {
  std::set<std::string> out;
  for (const auto& [key, container] : containers) out.insert(container.request.image.reference);
  return out;
}

Task<Result<std::vector<ports::StoredImage>>> MemoryRuntime::list_images() {
  auto machine = machine_;
  SBX_CO_CHECK(co_await enter("list_images", machine->options_.call_latency));
  co_return machine->images.list(machine->images_in_use(), machine->clock_.wall_now());
}

Task<Result<void>> MemoryRuntime::remove_image(std::string reference) {
  auto machine = machine_;
  SBX_CO_CHECK(co_await enter("remove_image", machine->options_.remove_latency));
  co_return machine->images.remove(reference, machine->images_in_use());
}

Result<void> MemoryRuntime::check_place(const ports::ContainerRequest& request) const {
  const auto at = machine_->containers.find(request.key);
  const bool exists = at != machine_->containers.end();
  if (request.again && !exists) return Error(ErrorCode::not_found, "container " + request.key + " does not exist");
  if (exists && !(request.again && at->second.found.task == FoundContainer::Task::none))
    return Error(ErrorCode::already_exists, "container " + request.key + " exists");
  if (request.role != ContainerRole::pod_member) return {};
  const auto root = machine_->containers.find(request.pod_key);
  if (root == machine_->containers.end() || root->second.found.task != FoundContainer::Task::running)
    return Error(ErrorCode::runtime_failed, "pod root " + request.pod_key + " does not run");
  return {};
}

Task<Result<void>> MemoryRuntime::create(ports::ContainerRequest request) {
  auto machine = machine_;
  if (request.handler != "runsc" && request.handler != "runc") {
    co_return Error(ErrorCode::unsupported, "unknown runtime handler \"" + request.handler + "\"");
  }
  SBX_CO_CHECK(co_await enter("", machine->options_.call_latency));
  SBX_CO_CHECK(check_place(request));
  const std::string key = request.key;
  const bool again = request.again;
  // The record is there from now on: an agent that dies here leaves it.
  MemoryRuntimeMachine::Container container;
  container.found.key = key;
  container.found.sandbox = request.sandbox;
  container.found.uid = request.uid;
  container.cpu_milli =
      request.start_cpu_milli > 0 ? request.start_cpu_milli : request.container.resources.limit_cpu_milli.value;
  container.life = machine->next_life_++;
  container.disk = again ? machine->containers.at(key).disk : machine->next_disk_++;
  const std::uint64_t life = container.life;
  container.request = std::move(request);
  container.request.image.hold.reset();  // from now on it is the container that uses it
  machine->containers[key] = std::move(container);
  try {
    co_await take_time(machine->clock_, machine->options_.create_latency);
  } catch (...) {
    if (!again) machine->containers.erase(key);  // cancelled, not killed: the adapter cleans up
    throw;
  }
  const auto at = machine->containers.find(key);
  if (at == machine->containers.end() || at->second.life != life) {
    co_return Error(ErrorCode::runtime_failed, "container " + key + " was removed while it was made");
  }
  if (auto planned = machine->take_planned("create")) {
    if (!planned->leaks && !again) machine->containers.erase(at);
    co_return planned->error;
  }
  if (machine->down) co_return Error(ErrorCode::unavailable, "containerd does not answer (simulated)");
  at->second.found.task = FoundContainer::Task::created;
  at->second.found.pid = machine->next_pid_++;
  ++machine->created;
  co_return Result<void>();
}

Task<Result<std::uint32_t>> MemoryRuntime::start(std::string key) {
  auto machine = machine_;
  SBX_CO_CHECK(co_await enter("start", machine->options_.start_latency));
  const auto at = machine->containers.find(key);
  if (at == machine->containers.end() || at->second.found.task != FoundContainer::Task::created) {
    co_return Error(ErrorCode::runtime_failed, "container " + key + " is not in the created state");
  }
  const Program program = machine->options_.program(at->second.request);
  if (program.missing) {
    co_return Error(ErrorCode::runtime_failed,
                    "exec: \"" + at->second.request.container.args[0] + "\": no such file or directory");
  }
  at->second.found.task = FoundContainer::Task::running;
  const std::uint32_t pid = at->second.found.pid;
  if (program.runs) machine->group_.spawn("memory_runtime.live", machine->live(key, at->second.life, program));
  co_return pid;
}

Task<Result<void>> MemoryRuntime::set_cpu_limit(std::string key, std::int64_t milli) {
  auto machine = machine_;
  SBX_CO_CHECK(co_await enter("set_cpu_limit", Duration::zero()));
  const auto at = machine->containers.find(key);
  if (at != machine->containers.end()) at->second.cpu_milli = milli;
  co_return Result<void>();
}

Task<Result<void>> MemoryRuntime::remove(std::string key) {
  auto machine = machine_;
  SBX_CO_CHECK(co_await enter("remove", machine->options_.remove_latency));
  if (machine->throwing_removes > 0 && machine->throwing_removes-- > 0) throw std::runtime_error("thrown (simulated)");
  machine->exit(key, kKilled);
  machine->containers.erase(key);
  co_return Result<void>();
}

void MemoryRuntime::subscribe() {
  if (subscribed_) return;
  subscribed_ = true;
  stream_ = machine_->stream_;
  next_event_ = machine_->first_event_ + machine_->events_.size();
}

Task<Result<std::vector<FoundContainer>>> MemoryRuntime::list() {
  auto machine = machine_;
  SBX_CO_CHECK(co_await enter("list", machine->options_.call_latency));
  subscribe();
  std::vector<FoundContainer> out;
  for (const auto& [key, container] : machine->containers) out.push_back(container.found);
  co_return out;
}

Task<Result<ports::RuntimeEvent>> MemoryRuntime::next_event() {
  auto machine = machine_;
  subscribe();
  while (true) {
    // Fell too far behind: events are gone, as when a stream breaks.
    if (machine->down || stream_ != machine->stream_ || next_event_ < machine->first_event_) {
      subscribed_ = false;
      if (machine->down) co_await machine->clock_.sleep_for(machine->options_.call_latency);
      co_return Error(ErrorCode::unavailable, "the event stream broke (simulated)");
    }
    const std::uint64_t offset = next_event_ - machine->first_event_;
    if (offset < machine->events_.size()) {
      ++next_event_;
      auto event = machine->events_[offset];
      co_return event;
    }
    co_await machine->changed_.wait();
  }
}

}  // namespace sandboxd::sim
