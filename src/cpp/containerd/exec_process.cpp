#include "containerd/exec_process.hpp"

#include "base/log.hpp"
#include "containerd/exec_pipes.hpp"
#include "containerd/exec_spec.hpp"
#include "containerd/handler.hpp"
#include "containerd/leftovers.hpp"
#include "containerd/methods.hpp"
#include "containerd/rpc.hpp"
#include "containerd/snapshot_mounts.hpp"
#include "containerd/wire.pb.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace sandboxd::containerd {

namespace fs = std::filesystem;

namespace {

const Log log("containerd");

constexpr const char* kProcessType = "types.containerd.io/opencontainers/runtime-spec/1/Process";
constexpr Duration kWaitStep = std::chrono::hours(1);
constexpr Duration kWaitPause = std::chrono::seconds(1);
constexpr int kKill = 9;

template <class Request>
Request request_for(const std::string& key, const std::string& id) {
  Request request;
  request.set_container_id(key);
  request.set_exec_id(id);
  return request;
}

Task<Result<void>> kill_process(Context* context, std::string key, std::string id, int number) {
  auto request = request_for<wire::KillRequest>(key, id);
  request.set_signal(static_cast<std::uint32_t>(number));
  const auto sent =
      co_await context->channel.unary(method::kTasksKill, request.SerializeAsString(), context->options.call_timeout);
  if (sent) co_return Result<void>();
  const bool keep = sent.error().code() == ErrorCode::unavailable || sent.error().code() == ErrorCode::not_found;
  co_return Error(keep ? sent.error().code() : ErrorCode::runtime_failed, exec_error(sent.error()).message());
}

// What the runtime and the disk have of it. The shim waits a while for what others may still write to its pipes.
Task<void> forget_process(Context* context, std::string key, std::string id) {
  const auto request = request_for<wire::DeleteProcessRequest>(key, id);
  const auto done = co_await context->channel.unary(method::kTasksDeleteProcess, request.SerializeAsString(),
                                                    context->options.call_timeout);
  if (!done && done.error().code() != ErrorCode::not_found)
    log.debug("process left to its shim", {{"container", key}, {"error", done.error().message()}});
  const std::string directory = context->exec_dir(key) + "/" + id;
  co_await context->files.run([directory] {
    std::error_code ignored;
    fs::remove_all(directory, ignored);
    return true;
  });
}

// The group of a process that runc started leads itself, on this host. Checked, since numbers are used again.
bool kill_group(const std::string& key, std::uint32_t pid, int number) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/cgroup");
  std::stringstream text;
  text << file.rdbuf();
  return text.str().find("/" + key + "\n") != std::string::npos && ::kill(-static_cast<pid_t>(pid), number) == 0;
}

class Process final : public ports::RuntimeProcess {
 public:
  Process(Context& context, std::string key, std::string id, bool is_runc, std::unique_ptr<ExecPipes> pipes)
      : context_(context), key_(std::move(key)), id_(std::move(id)), is_runc_(is_runc), pipes_(std::move(pipes)) {}

  void started(std::uint32_t pid) {
    pid_ = pid;
    pipes_->opened();
  }
  [[nodiscard]] std::uint32_t pid() const override { return pid_; }
  Task<Result<std::string>> read(bool is_stderr, std::size_t most) override {
    co_return co_await pipes_->read(is_stderr, most);
  }
  Task<Result<void>> write_stdin(std::string bytes) override { return pipes_->write(std::move(bytes)); }
  Task<Result<void>> close_stdin() override;
  Task<std::optional<int>> wait() override;
  Task<Result<void>> signal(int number, bool group) override;
  Task<Result<void>> resize(model::TerminalSize size) override;
  Task<void> forget() override {
    pipes_->close();
    co_await forget_process(&context_, key_, id_);
  }

 private:
  Context& context_;
  std::string key_;
  std::string id_;
  bool is_runc_;
  std::uint32_t pid_ = 0;
  std::unique_ptr<ExecPipes> pipes_;
};

// The shim has the pipe open as well, so that a writer may go: it is told that no other will come.
Task<Result<void>> Process::close_stdin() {
  pipes_->close_stdin();
  auto request = request_for<wire::CloseIORequest>(key_, id_);
  request.set_stdin(true);
  const auto done = co_await context_.channel.unary(method::kTasksCloseIo, request.SerializeAsString(),
                                                    context_.options.call_timeout);
  if (!done && done.error().code() == ErrorCode::unavailable) co_return done.error();
  co_return Result<void>();
}

Task<std::optional<int>> Process::wait() {
  const std::string request = request_for<wire::WaitRequest>(key_, id_).SerializeAsString();
  for (;;) {
    const auto ended = co_await call<wire::WaitReply>(context_.channel, method::kTasksWait, request, kWaitStep);
    if (ended) co_return static_cast<int>(ended->exit_status());
    const ErrorCode code = ended.error().code();
    if (code == ErrorCode::deadline_exceeded) continue;
    // The daemon may be starting again: the shim and its processes go on. A cancelled caller ends in the sleep.
    if (code != ErrorCode::unavailable && code != ErrorCode::cancelled) co_return std::nullopt;
    co_await context_.clock.sleep_for(kWaitPause);
  }
}

Task<Result<void>> Process::signal(int number, bool group) {
  if (group && is_runc_ && kill_group(key_, pid_, number)) co_return Result<void>();
  co_return co_await kill_process(&context_, key_, id_, number);
}

Task<Result<void>> Process::resize(model::TerminalSize size) {
  auto request = request_for<wire::ResizePtyRequest>(key_, id_);
  request.set_width(size.columns);
  request.set_height(size.rows);
  const auto done = co_await context_.channel.unary(method::kTasksResizePty, request.SerializeAsString(),
                                                    context_.options.call_timeout);
  if (!done) co_return exec_error(done.error());
  co_return Result<void>();
}

// Looked up in the image's files and what was written over them.
Task<Result<std::optional<ResolvedUser>>> user_of(Context* context, std::string key, std::string user) {
  if (user.empty()) co_return std::optional<ResolvedUser>();
  std::string passwd;
  std::string group;
  if (needs_lookup(user)) {
    wire::MountsRequest request;
    request.set_snapshotter(context->options.snapshotter);
    request.set_key(key);
    const auto mounts = co_await call<wire::PrepareSnapshotReply>(
        context->channel, method::kSnapshotsMounts, request.SerializeAsString(), context->options.call_timeout);
    if (!mounts) co_return exec_error(mounts.error());
    std::vector<std::string> layers = layers_of(*mounts);
    layers.insert(layers.begin(), context->disks.root_dir(key) + "/upper");
    passwd = co_await context->files.run([layers] { return read_from_layers(layers, "etc/passwd"); });
    group = co_await context->files.run([layers] { return read_from_layers(layers, "etc/group"); });
  }
  SBX_CO_TRY(resolved, resolve_user(user, passwd, group));
  co_return std::optional<ResolvedUser>(std::move(resolved));
}

Task<Result<std::uint32_t>> run_exec(Context* context, std::string key, std::string id, std::string process,
                                     ExecPaths paths, bool has_terminal) {
  auto exec = request_for<wire::ExecProcessRequest>(key, id);
  exec.set_stdin(paths.in);
  exec.set_stdout(paths.out);
  exec.set_stderr(paths.err);
  exec.set_terminal(has_terminal);
  exec.mutable_spec()->set_type_url(kProcessType);
  exec.mutable_spec()->set_value(process);
  const auto made =
      co_await context->channel.unary(method::kTasksExec, exec.SerializeAsString(), context->options.call_timeout);
  if (!made) co_return exec_error(made.error());
  const auto started = co_await call<wire::StartReply>(context->channel, method::kTasksStart,
                                                       request_for<wire::StartRequest>(key, id).SerializeAsString(),
                                                       context->options.start_timeout);
  if (!started) co_return exec_error(started.error());
  co_return started->pid();
}

std::vector<std::pair<std::string, std::string>> left_in(const std::string& directory) {
  std::vector<std::pair<std::string, std::string>> left;
  std::error_code failure;
  for (const auto& key : fs::directory_iterator(directory, failure)) {
    for (const auto& one : fs::directory_iterator(key.path(), failure))
      left.emplace_back(key.path().filename().string(), one.path().filename().string());
  }
  return left;
}

}  // namespace

std::string Execs::next_id() {
  return "e" + std::to_string(context_.clock.wall_now().ns) + "-" + std::to_string(++drawn_);
}

Task<Result<std::shared_ptr<ports::RuntimeProcess>>> Execs::start(ports::RuntimeExecRequest request) {
  Context* const context = &context_;
  const std::string key = request.key;
  const std::string id = next_id();
  wire::GetContainerRequest get;
  get.set_id(key);
  const auto record = co_await call<wire::GetContainerReply>(context->channel, method::kContainersGet,
                                                             get.SerializeAsString(), context->options.call_timeout);
  if (!record) co_return exec_error(record.error());
  SBX_CO_TRY(user, co_await user_of(context, key, request.user));
  SBX_CO_TRY(process, make_exec_process(record->container().spec().value(), request, user));
  const bool has_terminal = request.terminal.has_value();
  SBX_CO_TRY(pipes, ExecPipes::make(context->executor, context->exec_dir(key) + "/" + id,
                                    request.has_stdin || has_terminal, !has_terminal));
  const ExecPaths paths = pipes->paths();
  const bool is_runc = record->container().runtime().name() != kRunscRuntime;
  auto made = std::make_shared<Process>(*context, key, id, is_runc, std::move(pipes));
  const auto pid = co_await run_exec(context, key, id, std::move(process), paths, has_terminal);
  if (!pid) {
    context->group.spawn("forget process", forget_process(context, key, id));
    co_return pid.error();
  }
  made->started(*pid);
  co_return std::shared_ptr<ports::RuntimeProcess>(std::move(made));
}

Task<Result<void>> Execs::end_left() {
  if (!left_) left_ = left_in(context_.options.run_dir + "/execs");
  while (!left_->empty()) {
    const auto [key, id] = left_->back();
    const auto killed = co_await kill_process(&context_, key, id, kKill);
    if (!killed && killed.error().code() == ErrorCode::unavailable) co_return killed.error();
    co_await forget_process(&context_, key, id);
    left_->pop_back();
  }
  co_return Result<void>();
}

}  // namespace sandboxd::containerd
