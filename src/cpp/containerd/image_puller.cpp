#include "containerd/image_puller.hpp"

#include "base/config.hpp"
#include "base/log.hpp"
#include "containerd/methods.hpp"
#include "containerd/pull_watch.hpp"
#include "containerd/rpc.hpp"
#include "containerd/runtime_text.hpp"
#include "containerd/wire.pb.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <utility>

namespace sandboxd::containerd {

namespace {

const Log log("containerd");

constexpr Duration kWatchInterval = std::chrono::milliseconds(300);  // what an eye follows

Error pull_failed(const std::string& name, const Error& cause) {
  const ErrorCode code = cause.code() == ErrorCode::unavailable ? cause.code() : ErrorCode::image_failed;
  return Error(code, "pull image \"" + name + "\": " + cause.message());
}

// One of two coroutines: the other is cancelled when the first ends.
Task<Result<void>> first_of(Task<Result<void>> one, Task<Result<void>> other) {
  namespace asio = boost::asio;
  const auto executor = co_await asio::this_coro::executor;
  auto group = asio::experimental::make_parallel_group(asio::co_spawn(executor, std::move(one), asio::deferred),
                                                       asio::co_spawn(executor, std::move(other), asio::deferred));
  auto done = co_await group.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  const bool first = std::get<0>(done)[0] == 0;
  const std::exception_ptr failure = first ? std::get<1>(done) : std::get<3>(done);
  if (failure) std::rethrow_exception(failure);
  co_return first ? std::move(std::get<2>(done)) : std::move(std::get<4>(done));
}

}  // namespace

Task<Result<void>> ImagePuller::pull(std::string name) {
  const auto shared = pulls_.find(name);
  const std::shared_ptr<Pull> mine = shared != pulls_.end() ? shared->second : begin(name, name, std::nullopt);
  co_return co_await end_of(mine);
}

Task<Result<void>> ImagePuller::pull(std::string name, RegistryAuth credentials) {
  const std::string key = name + " " + std::to_string(++private_pulls_);
  const std::shared_ptr<Pull> mine = begin(key, name, std::move(credentials));
  co_return co_await end_of(mine);
}

std::shared_ptr<ImagePuller::Pull> ImagePuller::begin(const std::string& key, const std::string& name,
                                                      Credentials credentials) {
  auto pull = std::make_shared<Pull>(context_.executor);
  pull->progress->image = name;
  pulls_[key] = pull;
  context_.group.spawn("containerd.pull", run(key, pull, std::move(credentials)));
  return pull;
}

Task<Result<void>> ImagePuller::end_of(std::shared_ptr<Pull> pull) {
  while (!pull->outcome) co_await pull->changed.wait();
  co_return *pull->outcome;
}

std::optional<model::PullProgress> ImagePuller::progress(const std::string& name) const {
  const auto at = pulls_.lower_bound(name);
  const bool is_it = at != pulls_.end() && at->second->progress->image == name;
  return is_it ? std::optional(*at->second->progress) : std::nullopt;
}

Task<void> ImagePuller::run(std::string key, std::shared_ptr<Pull> pull, Credentials credentials) {
  const std::string name = pull->progress->image;
  const MonoTime began = context_.clock.mono_now();
  const auto done = co_await pull_within_limits(name, pull->progress, std::move(credentials));
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(context_.clock.mono_now() - began).count();
  if (done) {
    log.info("image pulled", {{"image", name}, {"ms", ms}});
    pull->outcome.emplace();
  } else {
    log.warn("image not pulled", {{"image", name}, {"ms", ms}, {"error", done.error().message()}});
    pull->outcome.emplace(pull_failed(name, done.error()));
  }
  pulls_.erase(key);
  pull->changed.notify();
}

Task<Result<void>> ImagePuller::pull_within_limits(std::string name, std::shared_ptr<model::PullProgress> progress,
                                                   Credentials credentials) {
  SBX_CO_CHECK(check_disk(context_.options));
  co_return co_await first_of(ask_daemon(name, std::move(credentials)), watch(name, progress));
}

Task<Result<void>> ImagePuller::ask_daemon(std::string name, Credentials credentials) {
  AuthLookup lookup;
  const bool is_private = credentials.has_value();
  if (is_private) {
    lookup.found = std::move(credentials);
  } else {
    lookup = co_await look_up_credentials(name);
  }
  wire::PullImageRequest request;
  request.mutable_image()->set_image(name);
  if (lookup.found) {
    wire::AuthConfig& auth = *request.mutable_auth();
    auth.set_username(lookup.found->username);
    auth.set_password(lookup.found->password);
    auth.set_identity_token(lookup.found->identity_token);
    auth.set_registry_token(lookup.found->registry_token);
  }
  const auto reply = co_await call<wire::PullImageReply>(
      context_.channel, method::kCriPullImage, request.SerializeAsString(), context_.options.image_pull_timeout);
  if (reply) co_return Result<void>();
  const Error& error = reply.error();
  if (error.code() == ErrorCode::deadline_exceeded) {
    co_return Error(error.code(),
                    "not done within image_pull_timeout (" + config_text(context_.options.image_pull_timeout) + ")");
  }
  std::string text = clean_pull_text(error.message());
  if (is_refusal(text)) {
    text += ": ";
    text += is_private ? "the registry " + registry_of(name) + " refused the credentials that came with this pull"
                       : explain_refusal(name, lookup);
  }
  co_return Error(error.code(), std::move(text));
}

Task<AuthLookup> ImagePuller::look_up_credentials(std::string name) {
  AuthLookup lookup;
  lookup.file = context_.options.registry_auth_file;
  if (lookup.file.empty()) co_return lookup;
  const std::string path = lookup.file;
  const auto text = co_await context_.files.run([path] { return read_auth_file(path); });
  if (!text) {
    lookup.problem = text.error().message();
  } else if (auto found = find_credentials(*text, name)) {
    lookup.found = *std::move(found);
  } else {
    lookup.problem = path + ": " + found.error().message();
  }
  // The registry may not ask for any, so this alone ends no pull.
  if (!lookup.problem.empty()) log.warn("registry_auth_file not used", {{"image", name}, {"error", lookup.problem}});
  co_return lookup;
}

Result<void> check_disk(const Options& options) {
  const std::int64_t reserve = options.pull_reserve_bytes;
  if (options.disk == nullptr || reserve == 0) return {};
  const auto space = options.disk->read();
  if (!space || space->free_bytes >= reserve) return {};
  return Error(ErrorCode::resource_exhausted,
               "the disk has " + std::to_string(space->free_bytes >> 20) + " MiB left, and image_pull_reserve_bytes (" +
                   std::to_string(reserve >> 20) + " MiB) are not for images: free some, or choose a smaller image");
}

Task<Result<void>> ImagePuller::watch(std::string name, std::shared_ptr<model::PullProgress> progress) {
  PullWatch watch(context_, name, context_.clock.wall_now());
  for (;;) {
    co_await context_.clock.sleep_for(kWatchInterval);
    SBX_CO_CHECK(check_disk(context_.options));
    co_await watch.sample(progress);
  }
}

}  // namespace sandboxd::containerd
