#include "orch/orchestrator.hpp"

#include "aio/io_runtime.hpp"
#include "aio/system_clock.hpp"
#include "base/endpoint.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "http/bearer_auth.hpp"
#include "http/client.hpp"
#include "http/server.hpp"
#include "orch/api/common/rate_limit.hpp"
#include "orch/api/common/routes.hpp"
#include "orch/api/dialects.hpp"
#include "orch/api/opensbx/errors.hpp"
#include "orch/api/opensbx/mcp_tools.hpp"
#include "orch/api/opensbx/routes.hpp"
#include "orch/api/proxy/listeners.hpp"
#include "orch/api/sandboxd_o/errors.hpp"
#include "orch/api/sandboxd_o/guests.hpp"
#include "orch/api/sandboxd_o/images.hpp"
#include "orch/api/sandboxd_o/routes.hpp"
#include "orch/engine.hpp"
#include "orch/guest_service.hpp"
#include "orch/http_node_transport.hpp"
#include "orch/image_service.hpp"
#include "orch/operations.hpp"
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

http::ServerOptions server_options(const OrchConfig& config, const Endpoint& endpoint,
                                   std::shared_ptr<const http::TokenSet> tokens) {
  http::ServerOptions options;
  options.address = endpoint.address;
  options.port = endpoint.port;
  speak(options, config, std::move(tokens));
  options.access_log = http::parse_access_log(config.access_log).value_or(http::AccessLog::all);
  options.log_name = "orch";
  return options;
}

const std::string& token_for_nodes(const OrchConfig& config) {
  return config.node_token.empty() ? config.token : config.node_token;
}

// What it may never run with, whoever made the configuration.
Result<void> check(const OrchConfig& config) {
  std::vector<std::string> problems = config.validate();
  const auto endpoint = parse_endpoint(config.listen);
  if (endpoint && config.token.empty() && config.api_key.empty() && !is_loopback(endpoint->address)) {
    problems.push_back("token: must be set (SANDBOXD_TOKEN or --token), because " + config.listen +
                       " is reachable from other machines");
  }
  return no_problems(problems);
}

// As the original: before the body is read, so that what is refused costs nothing more.
using MakeError = http::Response (*)(int status, std::string_view text);
http::Admission limit_creates(common::TokenBucket& bucket, ports::Clock& clock, MakeError make) {
  return [&bucket, &clock, make](const http::Request&) -> std::optional<http::Response> {
    if (bucket.take(clock.mono_now())) return std::nullopt;
    http::Response refusal = make(429, "rate limit exceeded for sandbox create");
    std::erase_if(refusal.headers, [](const auto& header) { return header.first == "Retry-After"; });
    refusal.headers.emplace_back("Retry-After", std::to_string(bucket.seconds_to_wait()));
    return refusal;
  };
}

}  // namespace

class Orchestrator::Impl {
 public:
  explicit Impl(OrchConfig config)
      : config_(std::move(config)),
        tokens_(std::make_shared<http::TokenSet>("", std::vector<std::string>())),
        create_limit_(config_.create_rps, config_.create_burst) {
    replace_tokens(*tokens_, config_);
  }

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

  Result<ConfigReload> reload(const OrchConfig& next) {
    SBX_CHECK(check(next));
    const std::scoped_lock lock(lifecycle_);
    if (state_ != State::running) return Error(ErrorCode::conflict, "this orchestrator does not run");
    ConfigReload done;
    runtime_.run(reload_on_core(next, done));
    log_reload(kLog, done);
    return done;
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
    transport_ = std::make_unique<HttpNodeTransport>(*client_, token_for_nodes(config_), call_limits(config_));
    engine_ = std::make_unique<Engine>(executor, *store_, *transport_, clock_, config_, seed_from_system());
    SBX_CO_CHECK(co_await engine_->start());
    service_ = std::make_unique<SandboxService>(*engine_, *transport_, clock_);
    images_ = std::make_unique<ImageService>(executor, *service_, *transport_, clock_);
    operations_ = std::make_unique<Operations>(executor, *engine_, clock_);
    guests_ = std::make_unique<GuestService>(*service_, *transport_);
    opensbx_ = std::make_unique<opensbx::Context>(opensbx::Context{*service_, *guests_, *images_, *operations_, clock_,
                                                                   opensbx_settings(config_), seed_from_system});
    http::ServerOptions options = server_options(config_, endpoint, tokens_);
    SBX_CO_TRY(router, make_router(options.traffic));
    server_ = std::make_unique<http::Server>(executor, std::move(router), std::move(options));
    SBX_CO_CHECK(server_->start());
    port_ = server_->port();
    SBX_CO_CHECK(start_proxy());
    co_return Result<void>();
  }

  Result<void> start_proxy() {
    SBX_TRY(endpoints, config_.proxy_endpoints());
    proxy::ProxyOptions options;
    options.base_domain = config_.base_domain;
    options.trusted_proxies = config_.trusted_proxies;
    options.access_log = http::parse_access_log(config_.access_log).value_or(http::AccessLog::all);
    options.traffic = proxy_traffic_;
    proxy_ = std::make_unique<proxy::Listeners>(
        runtime_.context().get_executor(),
        [this](std::string label) { return find_host_target(*engine_, std::move(label)); }, std::move(options));
    // The port that nobody asked for may be somebody else's.
    return proxy_->start(endpoints, config_.proxy_listen == kDefaultProxyListen);
  }

  sandboxd_o::NodeDoor node_door() {
    return {*client_, [this](const model::NodeAddress& node, std::string method, std::string target) {
              return transport_->request(node, std::move(method), std::move(target));
            }};
  }

  Result<http::Router> make_router(std::shared_ptr<const http::Traffic> traffic) {
    http::Router router;
    if (serves(config_, "sandboxd_o")) {
      SBX_CHECK(sandboxd_o::add_routes(router, *service_, clock_));
      SBX_CHECK(sandboxd_o::add_guest_routes(router, *service_, node_door()));
      SBX_CHECK(sandboxd_o::add_image_routes(router, *images_, clock_));
      const MakeError words = sandboxd_o::error_response;
      SBX_CHECK(router.guard("POST", "/api/v1/sandboxes", limit_creates(create_limit_, clock_, words)));
    }
    if (serves(config_, opensbx::kDialect)) {
      SBX_CHECK(opensbx::add_routes(router, *opensbx_));
      SBX_TRY(mcp, opensbx::add_mcp_routes(router, runtime_.context().get_executor(), *opensbx_));
      mcp_ = std::move(mcp);
      const MakeError words = opensbx::error_response;
      SBX_CHECK(router.guard("POST", "/v1/sandboxes", limit_creates(create_limit_, clock_, words)));
    }
    SBX_CHECK(common::add_routes(router, *operations_, std::move(traffic), proxy_traffic_));
    return router;
  }

  Task<void> reload_on_core(const OrchConfig& next, ConfigReload& out) {
    out = take_reloadable(config_, next);
    engine_->reload(config_);
    replace_tokens(*tokens_, config_);
    opensbx_->settings = opensbx_settings(config_);
    transport_->set_token(token_for_nodes(config_));
    transport_->set_limits(call_limits(config_));
    create_limit_.configure(config_.create_rps, config_.create_burst);
    server_->set_access_log(http::parse_access_log(config_.access_log).value_or(http::AccessLog::all));
    set_log_level(parse_log_level(config_.log_level).value_or(LogLevel::info));
    co_return;
  }

  // Callers first, then the engine, then what it uses: nothing is destroyed while somebody may still call it.
  Task<void> stop_on_core() {
    if (proxy_) co_await proxy_->stop(config_.shutdown_timeout);
    if (server_) co_await server_->stop(config_.shutdown_timeout);
    if (mcp_) co_await mcp_->stop();
    if (images_) co_await images_->stop();
    if (engine_) co_await engine_->stop();
    if (operations_) co_await operations_->join();
    proxy_.reset();
    server_.reset();
    mcp_.reset();
    opensbx_.reset();
    guests_.reset();
    operations_.reset();
    images_.reset();
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

  OrchConfig config_;     // from start() on: the core thread's, or whoever holds lifecycle_ while that is not running
  std::mutex lifecycle_;  // one start or stop at a time
  std::mutex state_mutex_;
  std::condition_variable state_changed_;
  State state_ = State::fresh;
  std::atomic<int> port_ = 0;

  // On the core thread. Coroutines refer to these, so they stand before the runtime whose context owns the coroutines.
  aio::SystemClock clock_;
  std::shared_ptr<http::TokenSet> tokens_;
  common::TokenBucket create_limit_;
  std::unique_ptr<store::SqliteStore> store_;
  std::unique_ptr<http::Client> client_;
  std::unique_ptr<HttpNodeTransport> transport_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<SandboxService> service_;
  std::unique_ptr<ImageService> images_;
  std::unique_ptr<Operations> operations_;
  std::unique_ptr<GuestService> guests_;
  std::unique_ptr<opensbx::Context> opensbx_;
  std::shared_ptr<mcp::McpServer> mcp_;
  std::unique_ptr<http::Server> server_;
  std::shared_ptr<http::Traffic> proxy_traffic_ = std::make_shared<http::Traffic>();
  std::unique_ptr<proxy::Listeners> proxy_;
  aio::IoRuntime runtime_{"sandboxd-orch"};
};

Result<std::unique_ptr<Orchestrator>> Orchestrator::make(OrchConfig config) {
  SBX_CHECK(check(config));
  return std::unique_ptr<Orchestrator>(new Orchestrator(std::make_unique<Impl>(std::move(config))));
}

Orchestrator::Orchestrator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Orchestrator::~Orchestrator() { impl_->stop(); }
Result<void> Orchestrator::start() { return impl_->start(); }
void Orchestrator::stop() { impl_->stop(); }
Result<ConfigReload> Orchestrator::reload(OrchConfig config) { return impl_->reload(config); }
bool Orchestrator::wait(Duration timeout) { return impl_->wait(timeout); }
int Orchestrator::port() const { return impl_->port(); }

}  // namespace sandboxd::orch
