#include "containerd/task_calls.hpp"

#include "containerd/gvisor_pause.hpp"
#include "containerd/handler.hpp"
#include "containerd/methods.hpp"
#include "containerd/rpc.hpp"
#include "containerd/runtime_text.hpp"
#include "containerd/wire.pb.h"

#include <charconv>
#include <csignal>
#include <cstring>
#include <string_view>

namespace sandboxd::containerd {

namespace {

Task<Result<wire::TaskState>> state_of(Context* context, std::string key) {
  wire::GetTaskRequest request;
  request.set_container_id(key);
  SBX_CO_TRY(reply, co_await call<wire::GetTaskReply>(context->channel, method::kTasksGet, request.SerializeAsString(),
                                                      context->options.call_timeout));
  co_return reply.process().status();
}

Task<Result<bool>> is_gvisor(Context* context, std::string key) {
  wire::GetContainerRequest request;
  request.set_id(key);
  SBX_CO_TRY(reply, co_await call<wire::GetContainerReply>(context->channel, method::kContainersGet,
                                                           request.SerializeAsString(), context->options.call_timeout));
  co_return reply.container().runtime().name() == kRunscRuntime;
}

Error refused(const Error& error, const char* what, const std::string& key) {
  const bool keep = error.code() == ErrorCode::unavailable || error.code() == ErrorCode::not_found;
  return Error(keep ? error.code() : ErrorCode::runtime_failed,
               std::string(what) + " container " + key + ": " + clean_runtime_text(error.message()));
}

}  // namespace

bool is_shim_silent(const wire::Process& process) {
  return process.status() == wire::TASK_UNKNOWN && process.pid() == 0;
}

Task<Result<std::optional<int>>> exit_code_of(Context* context, std::string key, wire::Process stopped) {
  if (stopped.exited_at().seconds() > 0) co_return std::optional<int>(static_cast<int>(stopped.exit_status()));
  wire::WaitRequest wait;
  wait.set_container_id(key);
  const auto exited = co_await call<wire::WaitReply>(context->channel, method::kTasksWait, wait.SerializeAsString(),
                                                     context->options.call_timeout);
  if (exited) co_return std::optional<int>(static_cast<int>(exited->exit_status()));
  if (exited.error().code() == ErrorCode::unavailable) co_return exited.error();
  co_return std::optional<int>();
}

int parse_signal(const std::string& text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return number > 0 && number < NSIG ? number : SIGTERM;
  std::string_view name = text;
  if (name.starts_with("SIG")) name.remove_prefix(3);
  for (number = 1; number < NSIG; ++number) {
    const char* known = sigabbrev_np(number);
    if (known != nullptr && name == known) return number;
  }
  return SIGTERM;
}

Task<Result<void>> pause_task(Context* context, std::string key) {
  SBX_CO_TRY(gvisor, co_await is_gvisor(context, key));
  if (gvisor) co_return co_await pause_gvisor(context, key);
  wire::PauseTaskRequest request;
  request.set_container_id(key);
  const auto done =
      co_await context->channel.unary(method::kTasksPause, request.SerializeAsString(), context->options.start_timeout);
  if (done) co_return Result<void>();
  if (done.error().code() == ErrorCode::unavailable) co_return refused(done.error(), "pause", key);
  const auto state = co_await state_of(context, key);
  if (state && *state == wire::TASK_PAUSED) co_return Result<void>();
  co_return refused(done.error(), "pause", key);
}

Task<Result<void>> resume_task(Context* context, std::string key) {
  SBX_CO_TRY(gvisor, co_await is_gvisor(context, key));
  if (gvisor) co_return co_await resume_gvisor(context, key);
  wire::ResumeTaskRequest request;
  request.set_container_id(key);
  const auto done = co_await context->channel.unary(method::kTasksResume, request.SerializeAsString(),
                                                    context->options.start_timeout);
  if (done) co_return Result<void>();
  if (done.error().code() == ErrorCode::unavailable) co_return refused(done.error(), "resume", key);
  const auto state = co_await state_of(context, key);
  if (state && *state == wire::TASK_RUNNING) co_return Result<void>();
  co_return refused(done.error(), "resume", key);
}

Task<Result<void>> ask_task_to_stop(Context* context, std::string key) {
  wire::GetContainerRequest get;
  get.set_id(key);
  const auto record = co_await call<wire::GetContainerReply>(context->channel, method::kContainersGet,
                                                             get.SerializeAsString(), context->options.call_timeout);
  if (!record && record.error().code() == ErrorCode::not_found) co_return Result<void>();
  if (!record) co_return refused(record.error(), "stop", key);
  const auto& labels = record->container().labels();
  const auto label = labels.find(kLabelStopSignal);
  wire::KillRequest kill;
  kill.set_container_id(key);
  kill.set_signal(static_cast<std::uint32_t>(label == labels.end() ? SIGTERM : parse_signal(label->second)));
  const auto sent =
      co_await context->channel.unary(method::kTasksKill, kill.SerializeAsString(), context->options.call_timeout);
  if (sent || sent.error().code() == ErrorCode::not_found) co_return Result<void>();
  co_return refused(sent.error(), "stop", key);
}

}  // namespace sandboxd::containerd
