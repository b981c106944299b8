#include "node/node_daemon.hpp"

#include "aio/io_runtime.hpp"
#include "base/endpoint.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "http/bearer_auth.hpp"
#include "http/server.hpp"
#include "node/agent.hpp"
#include "node/api/sbxlet_routes.hpp"
#include "node/machine.hpp"
#include "proc/host_facts.hpp"
#include "store/file_lock.hpp"

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <malloc.h>
#include <mutex>
#include <optional>
#include <utility>

namespace sandboxd::node {
namespace {

constexpr Log kLog("node");
constexpr int kArenas = 2;

codec::sbxlet::NodeFacts facts_of(const NodeConfig& config) {
  codec::sbxlet::NodeFacts facts;
  facts.subnet_cidr = config.subnet_cidr;
  facts.bridge_name = config.bridge();
  facts.cni_conf_path = config.cni_conf_path;
  facts.runtime = config.runtime;
  return facts;
}

http::ServerOptions server_options(const Endpoint& endpoint, std::shared_ptr<const http::TokenSet> tokens) {
  http::ServerOptions options;
  options.address = endpoint.address;
  options.port = endpoint.port;
  options.is_guarded = [tokens] { return !tokens->empty(); };
  options.authenticate = http::bearer_auth(std::move(tokens));
  options.log_name = "node.http";
  return options;
}

Result<store::FileLock> lock_data_dir(const std::string& data_dir) {
  std::error_code failure;
  std::filesystem::create_directories(data_dir, failure);
  if (failure) return errno_error(failure.value(), "make directory " + data_dir, ErrorCode::storage_failed);
  return store::FileLock::acquire(data_dir + "/node.lock", "node agent on " + data_dir);
}

}  // namespace

class NodeDaemon::Impl {
 public:
  explicit Impl(NodeConfig config)
      : config_(std::move(config)), tokens_(std::make_shared<http::TokenSet>(config_.token, config_.more_tokens)) {}

  Result<void> start();
  void stop();
  Result<void> teardown();
  Result<ConfigReload> reload(const NodeConfig& next);
  bool wait(Duration timeout) {
    std::unique_lock lock(state_mutex_);
    return state_changed_.wait_for(lock, timeout, [this] { return state_ == State::stopped; });
  }
  int port() const { return port_; }

 private:
  enum class State { fresh, running, stopped };

  Task<void> start_on_core(Result<void>& out);
  Task<Result<void>> open();
  Task<void> reload_on_core(const NodeConfig& next, ConfigReload& out);
  Task<void> stop_on_core();
  void enter(State state);

  NodeConfig config_;     // from start() on: the core thread's
  std::mutex lifecycle_;  // one start, stop or teardown at a time
  std::mutex state_mutex_;
  std::condition_variable state_changed_;
  State state_ = State::fresh;
  std::atomic<int> port_ = 0;

  // On the core thread. Coroutines refer to these, so they stand before the runtime whose context owns the coroutines.
  std::shared_ptr<http::TokenSet> tokens_;
  std::optional<store::FileLock> lock_;
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<Agent> agent_;
  std::unique_ptr<http::Server> server_;
  aio::IoRuntime runtime_{"sandboxd-node"};
};

void NodeDaemon::Impl::enter(State state) {
  {
    const std::scoped_lock lock(state_mutex_);
    state_ = state;
  }
  state_changed_.notify_all();
}

Result<void> NodeDaemon::Impl::start() {
  const std::scoped_lock lock(lifecycle_);
  if (state_ != State::fresh) return Error(ErrorCode::conflict, "this node agent was started before");
  SBX_TRY(data_lock, lock_data_dir(config_.data_dir));
  lock_ = std::move(data_lock);
  // Nearly all work is one thread's; the allocator would keep an arena for each of the threads of its libraries.
  mallopt(M_ARENA_MAX, kArenas);
  runtime_.start();
  Result<void> started = Error();
  runtime_.run(start_on_core(started));
  if (!started) {
    runtime_.run(stop_on_core());
    runtime_.stop();
    enter(State::stopped);
    return started;
  }
  enter(State::running);
  kLog.info("node agent ready", {{"listen", config_.listen}, {"port", server_->port()}});
  return {};
}

Task<void> NodeDaemon::Impl::start_on_core(Result<void>& out) {
  auto result = co_await open();
  out = std::move(result);
}

Task<Result<void>> NodeDaemon::Impl::open() {
  const auto executor = runtime_.context().get_executor();
  SBX_CO_TRY(endpoint, parse_endpoint(config_.listen));
  SBX_CO_TRY(machine, Machine::make(executor, config_));
  machine_ = std::move(machine);
  AgentOptions options;
  options.config = config_;
  SBX_CO_TRY(host, proc::read_host_facts());
  options.host = host;
  options.seed = seed_from_system();
  // A burst of creates and every comparison with hundreds of containers leave megabytes to the allocator, which would
  // keep them for as long as nothing else asks.
  options.after_patrol = [] { malloc_trim(0); };
  agent_ = std::make_unique<Agent>(executor, machine_->ports(), std::move(options));
  SBX_CO_CHECK(co_await agent_->start());
  http::Router router;
  SBX_CO_CHECK(add_sbxlet_routes(router, *agent_, facts_of(config_)));
  server_ = std::make_unique<http::Server>(executor, std::move(router), server_options(endpoint, tokens_));
  SBX_CO_CHECK(server_->start());
  port_ = server_->port();
  co_return Result<void>();
}

Task<void> NodeDaemon::Impl::reload_on_core(const NodeConfig& next, ConfigReload& out) {
  out = take_reloadable(config_, next);
  tokens_->replace(config_.token, config_.more_tokens);
  agent_->use_image_policy(config_.image_policy);
  set_log_level(parse_log_level(config_.log_level).value_or(LogLevel::info));
  co_return;
}

Result<ConfigReload> NodeDaemon::Impl::reload(const NodeConfig& next) {
  SBX_CHECK(no_problems(next.validate()));
  const std::scoped_lock lock(lifecycle_);
  if (state_ != State::running) return Error(ErrorCode::conflict, "this node agent does not run");
  ConfigReload done;
  runtime_.run(reload_on_core(next, done));
  log_reload(kLog, done);
  return done;
}

// Callers first, then the agent, then what it uses: nothing is destroyed while somebody may still call it.
Task<void> NodeDaemon::Impl::stop_on_core() {
  if (server_) co_await server_->stop(config_.shutdown_timeout);
  if (agent_) co_await agent_->stop();
  if (machine_) co_await machine_->stop();
  server_.reset();
  agent_.reset();
  machine_.reset();
  lock_.reset();
}

void NodeDaemon::Impl::stop() {
  const std::scoped_lock lock(lifecycle_);
  if (state_ != State::running) return;
  kLog.info("node agent stopping");
  runtime_.run(stop_on_core());
  runtime_.stop();
  enter(State::stopped);
}

namespace {

Task<void> remove_traces(Machine& machine, Result<void>& out) {
  auto removed = co_await machine.remove_traces();
  co_await machine.stop();
  out = std::move(removed);
}

}  // namespace

Result<void> NodeDaemon::Impl::teardown() {
  const std::scoped_lock lock(lifecycle_);
  if (state_ == State::running) return Error(ErrorCode::conflict, "stop the node agent before its teardown");
  SBX_TRY(data_lock, lock_data_dir(config_.data_dir));
  aio::IoRuntime core("sandboxd-node");
  SBX_TRY(machine, Machine::make(core.context().get_executor(), config_));
  core.start();
  Result<void> removed = Error();
  core.run(remove_traces(*machine, removed));
  core.stop();
  return removed;
}

Result<std::unique_ptr<NodeDaemon>> NodeDaemon::make(NodeConfig config) {
  SBX_CHECK(no_problems(config.validate()));
  return std::unique_ptr<NodeDaemon>(new NodeDaemon(std::make_unique<Impl>(std::move(config))));
}

NodeDaemon::NodeDaemon(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
NodeDaemon::~NodeDaemon() { impl_->stop(); }
Result<void> NodeDaemon::start() { return impl_->start(); }
void NodeDaemon::stop() { impl_->stop(); }
Result<ConfigReload> NodeDaemon::reload(NodeConfig config) { return impl_->reload(config); }
bool NodeDaemon::wait(Duration timeout) { return impl_->wait(timeout); }
int NodeDaemon::port() const { return impl_->port(); }
Result<void> NodeDaemon::teardown() { return impl_->teardown(); }

}  // namespace sandboxd::node
