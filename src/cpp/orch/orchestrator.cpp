#include "orch/orchestrator.hpp"

#include "aio/io_runtime.hpp"
#include "aio/system_clock.hpp"
#include "base/endpoint.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "http/bearer_auth.hpp"
#include "http/client.hpp"
#include "http/server.hpp"
#include "orch/api/sandboxd_o/errors.hpp"
#include "orch/api/sandboxd_o/routes.hpp"
#include "orch/engine.hpp"
#include "orch/http_node_transport.hpp"
#include "orch/service.hpp"
#include "store/sqlite_store.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace sandboxd::orch {
namespace {

constexpr Log kLog("orch");

NodeCallLimits call_limits(const OrchConfig& config) {
  NodeCallLimits limits;
  limits.op = config.sandbox_op_timeout;
  limits.probe = config.probe_timeout;
  return limits;
}

http::ServerOptions server_options(const OrchConfig& config, const Endpoint& endpoint) {
  http::ServerOptions options;
  options.address = endpoint.address;
  options.port = endpoint.port;
  options.authenticate = http::bearer_auth(config.token);
  options.error_response = [](int status, std::string_view message, const http::Request&) {
    return sandboxd_o::error_response(status, message);
  };
  options.log_name = "orch";
  return options;
}

}  // namespace

class Orchestrator::Impl {
 public:
  explicit Impl(OrchConfig config) : config_(std::move(config)) {}

  Result<void> start() {
    const std::scoped_lock lock(lifecycle_);
    if (state_ != State::fresh) return Error(ErrorCode::conflict, "this orchestrator was started before");
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
    kLog.info("control plane ready", {{"listen", config_.listen}, {"port", server_->port()}});
    return {};
  }

  void stop() {
    const std::scoped_lock lock(lifecycle_);
    if (state_ != State::running) return;
    kLog.info("control plane stopping");
    runtime_.run(stop_on_core());
    runtime_.stop();
    enter(State::stopped);
  }

  bool wait(Duration timeout) {
    std::unique_lock lock(state_mutex_);
    return state_changed_.wait_for(lock, timeout, [this] { return state_ == State::stopped; });
  }

  int port() const { return port_; }

 private:
  enum class State { fresh, running, stopped };

  Task<void> start_on_core(Result<void>& out) {
    auto result = co_await open();
    out = std::move(result);
  }

  Task<Result<void>> open() {
    const auto executor = runtime_.context().get_executor();
    SBX_CO_TRY(endpoint, parse_endpoint(config_.listen));
    store::Database::Options database;
    database.path = config_.database_path();
    SBX_CO_TRY(opened, store::SqliteStore::open(std::move(database)));
    store_ = std::move(opened);
    client_ = std::make_unique<http::Client>(executor);
    const std::string& node_token = config_.node_token.empty() ? config_.token : config_.node_token;
    transport_ = std::make_unique<HttpNodeTransport>(*client_, node_token, call_limits(config_));
    engine_ = std::make_unique<Engine>(executor, *store_, *transport_, clock_, config_, seed_from_system());
    SBX_CO_CHECK(co_await engine_->start());
    service_ = std::make_unique<SandboxService>(*engine_, *transport_, clock_);
    http::Router router;
    SBX_CO_CHECK(sandboxd_o::add_routes(router, *service_, clock_));
    server_ = std::make_unique<http::Server>(executor, std::move(router), server_options(config_, endpoint));
    SBX_CO_CHECK(server_->start());
    port_ = server_->port();
    co_return Result<void>();
  }

  // Callers first, then the engine, then what it uses: nothing is destroyed while somebody may still call it.
  Task<void> stop_on_core() {
    if (server_) co_await server_->stop(config_.shutdown_timeout);
    if (engine_) co_await engine_->stop();
    server_.reset();
    service_.reset();
    engine_.reset();
    transport_.reset();
    client_.reset();
    store_.reset();
  }

  void enter(State state) {
    {
      const std::scoped_lock lock(state_mutex_);
      state_ = state;
    }
    state_changed_.notify_all();
  }

  const OrchConfig config_;
  std::mutex lifecycle_;  // one start or stop at a time
  std::mutex state_mutex_;
  std::condition_variable state_changed_;
  State state_ = State::fresh;
  std::atomic<int> port_ = 0;

  // On the core thread. Coroutines refer to these, so they stand before the runtime whose context owns the coroutines.
  aio::SystemClock clock_;
  std::unique_ptr<store::SqliteStore> store_;
  std::unique_ptr<http::Client> client_;
  std::unique_ptr<HttpNodeTransport> transport_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<SandboxService> service_;
  std::unique_ptr<http::Server> server_;
  aio::IoRuntime runtime_{"sandboxd-orch"};
};

Result<std::unique_ptr<Orchestrator>> Orchestrator::make(OrchConfig config) {
  const std::vector<std::string> problems = config.validate();
  if (!problems.empty()) {
    std::string text;
    for (const std::string& problem : problems) text += (text.empty() ? "" : "; ") + problem;
    return Error(ErrorCode::invalid_argument, std::move(text));
  }
  return std::unique_ptr<Orchestrator>(new Orchestrator(std::make_unique<Impl>(std::move(config))));
}

Orchestrator::Orchestrator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Orchestrator::~Orchestrator() { impl_->stop(); }
Result<void> Orchestrator::start() { return impl_->start(); }
void Orchestrator::stop() { impl_->stop(); }
bool Orchestrator::wait(Duration timeout) { return impl_->wait(timeout); }
int Orchestrator::port() const { return impl_->port(); }

}  // namespace sandboxd::orch
