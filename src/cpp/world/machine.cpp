#include "world/machine.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

#include <array>
#include <string>
#include <utility>

namespace sandboxd::world {

Machine::Machine(boost::asio::any_io_executor executor, sim::SimClock& clock, std::uint64_t seed,
                 MachineOptions options)
    : executor_(executor), clock_(clock), random_(seed), options_(options), ends_(executor) {
  hardware_.runtime = std::make_shared<sim::MemoryRuntimeMachine>(executor, clock, sim::MemoryRuntimeOptions{});
  hardware_.runtime->missing_images.insert("local/missing:1");
  hardware_.disk->faults.delay = std::chrono::microseconds(100 + random_.below(2000));
}

void Machine::start() {
  if (process_) return;
  auto store = sim::SimNodeStore::open(hardware_.disk, clock_);
  if (!store) return on_error(store.error());
  node::AgentOptions options;
  options.config.max_alloc_percent = 100;
  options.config.slot_pool_size = options_.slot_pool_size;
  options.host = {options_.cpu_milli / 1000, options_.memory_bytes};
  options.seed = random_.next();
  ++lives_;
  ports::StepObserver& steps = *this;
  process_ = std::make_shared<AgentProcess>(executor_, clock_, hardware_, *std::move(store), steps, std::move(options));
  process_->start(on_error);
}

void Machine::crash() {
  if (!process_) return;
  steps_left_ = 0;
  const auto dying = std::exchange(process_, nullptr);
  dying->kill();
  // The system keeps what a killed process had written.
  hardware_.disk->crash(hardware_.disk->unsynced());
  ends_.spawn("end of an agent", AgentProcess::bury(dying));
}

void Machine::crash_at_step(std::uint64_t count, std::function<void()> then) {
  if (!process_) return;
  steps_left_ = count;
  after_crash_ = std::move(then);
}

void Machine::reached(std::string_view step, const SandboxId& sandbox) {
  on_step(step, sandbox);
  if (steps_left_ == 0 || --steps_left_ > 0) return;
  // The caller is in the middle of the agent: it goes no further, and the rest ends at the executor's next turn.
  boost::asio::post(executor_, [this, life = lives_, then = std::exchange(after_crash_, nullptr)] {
    if (life != lives_ || !process_) return;
    then();
  });
  throw boost::system::system_error(boost::asio::error::operation_aborted);
}

Task<void> Machine::stop() {
  co_await ends_.join();
  co_await hardware_.runtime->stop();
}

std::vector<model::NodeSandbox> Machine::records() const {
  std::vector<model::NodeSandbox> out;
  for (const auto& [id, sandbox] : hardware_.disk->seen().sandboxes) out.push_back(sandbox);
  return out;
}

std::vector<model::NodeSandbox> Machine::believed() const {
  return process_ ? process_->believed() : std::vector<model::NodeSandbox>();
}

std::string Machine::boot_id() const { return process_ ? process_->boot_id() : std::string(); }

bool Machine::end_container(bool out_of_memory, Random& random) {
  std::vector<std::string> running;
  for (const auto& [key, container] : hardware_.runtime->containers) {
    if (container.found.task == ports::FoundContainer::Task::running) running.push_back(key);
  }
  if (running.empty()) return false;
  const std::string& key = running[random.below(running.size())];
  if (out_of_memory) {
    hardware_.runtime->out_of_memory(key);
  } else {
    hardware_.runtime->exit(key, 137);
  }
  return true;
}

void Machine::fail_runtime(Random& random) {
  static constexpr std::array<const char*, 6> kMethods{"check", "ensure_image", "create", "start", "remove", "list"};
  const char* method = kMethods[random.below(kMethods.size())];
  const int nth = 1 + static_cast<int>(random.below(3));
  const bool leaks = random.chance(500);
  hardware_.runtime->fail(method, nth, Error(ErrorCode::runtime_failed, "the runtime failed (simulated)"), leaks);
}

bool Machine::fail_network(Random& random) {
  static constexpr std::array<const char*, 7> kMethods{"make_slot",       "destroy_slot", "list_slots", "set_egress",
                                                       "check_port_free", "publish",      "unpublish"};
  const char* method = kMethods[random.below(kMethods.size())];
  const int nth = 1 + static_cast<int>(random.below(3));
  if (!process_) return false;
  process_->network().fail(method, nth, Error(ErrorCode::network_failed, "no netlink (simulated)"));
  return true;
}

void Machine::heal() {
  hardware_.runtime->down = false;
  hardware_.disk->faults.full = false;
  hardware_.disk->faults.fail_nth_write = 0;
  hardware_.disk->faults.fail_nth_sync = 0;
  steps_left_ = 0;
}

void Machine::create_directly(model::NodeCreateRequest request) {
  if (process_) ends_.spawn("direct create", create_quietly(process_, std::move(request)));
}

Task<void> Machine::create_quietly(std::shared_ptr<AgentProcess> process, model::NodeCreateRequest request) {
  const auto created = co_await process->create(std::move(request));
  static_cast<void>(created);
}

bool Machine::lose_sandbox() {
  for (const model::NodeSandbox& sandbox : records()) {
    if (sandbox.phase != model::Phase::running) continue;
    for (const model::NodeContainer& container : sandbox.containers) hardware_.runtime->containers.erase(container.key);
    return true;
  }
  return false;
}

}  // namespace sandboxd::world
