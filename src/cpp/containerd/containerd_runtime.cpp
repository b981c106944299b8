#include "containerd/containerd_runtime.hpp"

#include "aio/task_group.hpp"
#include "base/log.hpp"
#include "containerd/context.hpp"
#include "containerd/cpu_limit.hpp"
#include "containerd/create.hpp"
#include "containerd/event_feed.hpp"
#include "containerd/exec_process.hpp"
#include "containerd/exit_watch.hpp"
#include "containerd/gvisor_pause.hpp"
#include "containerd/handler.hpp"
#include "containerd/image_import.hpp"
#include "containerd/image_reference.hpp"
#include "containerd/image_store.hpp"
#include "containerd/methods.hpp"
#include "containerd/remove.hpp"
#include "containerd/rpc.hpp"
#include "containerd/runtime_text.hpp"
#include "containerd/task_calls.hpp"
#include "containerd/wire.pb.h"

#include <filesystem>
#include <fstream>
#include <set>

namespace sandboxd::containerd {

using ports::FoundContainer;

namespace {

const Log log("containerd");
constexpr Duration kSilencePoll = std::chrono::milliseconds(100);

FoundContainer::Task to_state(wire::TaskState state) {
  switch (state) {
    case wire::TASK_CREATED: return FoundContainer::Task::created;
    case wire::TASK_STOPPED: return FoundContainer::Task::stopped;
    case wire::TASK_PAUSED:
    case wire::TASK_PAUSING: return FoundContainer::Task::paused;
    default: return FoundContainer::Task::running;  // "unknown" with a pid too: is_shim_silent() is without
  }
}

void fill(FoundContainer& found, const wire::Process& process) {
  found.task = to_state(process.status());
  found.pid = process.pid();
}

std::string label(const wire::Container& container, const char* name) {
  const auto at = container.labels().find(name);
  return at == container.labels().end() ? std::string() : at->second;
}

}  // namespace

class ContainerdRuntime::Impl {
 public:
  Impl(boost::asio::any_io_executor executor, ports::Clock& clock, Options options)
      : context(std::move(executor), clock, std::move(options)), images(context), execs(context), feed(context) {}

  // True when the container is ours. Events name only ids, so an unknown one is looked up once.
  [[nodiscard]] Task<Result<bool>> is_known(std::string key);
  [[nodiscard]] Task<Result<std::map<std::string, wire::Process>>> tasks();
  [[nodiscard]] Task<Result<std::vector<wire::Container>>> records();
  // Nothing: there is no task. `told`: what the list of tasks says of it.
  [[nodiscard]] Task<Result<std::optional<wire::Process>>> certain(std::string key, std::optional<wire::Process> told);
  [[nodiscard]] Task<void> sweep_disks(std::set<std::string> keys, std::set<std::string> idle);

  Context context;
  ImageStore images;
  Execs execs;
  EventFeed feed;
  ExitWatch exits;
  std::set<std::string> known;
  bool has_swept = false;
};

Result<std::unique_ptr<ContainerdRuntime>> ContainerdRuntime::make(boost::asio::any_io_executor executor,
                                                                   ports::Clock& clock, Options options) {
  std::error_code ec;
  std::filesystem::create_directories(options.run_dir + "/pods", ec);
  if (ec) return errno_error(ec.value(), "create " + options.run_dir + "/pods");
  auto impl = std::make_unique<Impl>(std::move(executor), clock, std::move(options));
  const std::string& path = impl->context.runsc_config;
  const std::string fresh = path + ".new";
  std::ofstream file(fresh, std::ios::trunc);
  file << make_runsc_config(impl->context.options.runsc_binary, impl->context.options.runsc_flags);
  file.close();
  if (!file) return Error(ErrorCode::storage_failed, "cannot write " + fresh);
  // By rename: a shim may be reading it.
  std::filesystem::rename(fresh, path, ec);
  if (ec) return errno_error(ec.value(), "replace " + path);
  return std::unique_ptr<ContainerdRuntime>(new ContainerdRuntime(std::move(impl)));
}

ContainerdRuntime::ContainerdRuntime(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ContainerdRuntime::~ContainerdRuntime() = default;

Task<void> ContainerdRuntime::close() {
  impl_->feed.close();
  impl_->context.group.cancel();
  co_await impl_->context.group.join();
}

Task<Result<void>> ContainerdRuntime::check() {
  Context& context = impl_->context;
  SBX_CO_CHECK(co_await call<wire::VersionReply>(context.channel, method::kVersion, std::string(),
                                                 context.options.call_timeout));
  co_return Result<void>();
}

Task<Result<ports::ImageInfo>> ContainerdRuntime::ensure_image(std::string reference) {
  return impl_->images.ensure(std::move(reference));
}

std::optional<model::PullProgress> ContainerdRuntime::pull_progress(const std::string& reference) const {
  return impl_->images.pull_progress(reference);
}

Task<Result<std::vector<ports::StoredImage>>> ContainerdRuntime::list_images() { return impl_->images.list(); }

Task<Result<void>> ContainerdRuntime::remove_image(std::string reference) {
  return impl_->images.remove(std::move(reference));
}

Result<std::string> ContainerdRuntime::normalise(const std::string& reference) const {
  return normalise_reference(reference);
}

Task<Result<ports::StoredImage>> ContainerdRuntime::pull(std::string reference,
                                                         std::optional<model::RegistryCredentials> credentials) {
  return impl_->images.pull(std::move(reference), std::move(credentials));
}

Task<Result<ports::StoredImage>> ContainerdRuntime::find(std::string reference) {
  return impl_->images.find(std::move(reference));
}

Result<std::unique_ptr<ports::ImageImport>> ContainerdRuntime::begin_import(ports::ImageImportRequest request) {
  return containerd::begin_import(impl_->context, impl_->images, std::move(request));
}

Task<Result<void>> ContainerdRuntime::create(ports::ContainerRequest request) {
  const std::string key = request.key;
  const auto record = std::make_shared<bool>(false);
  const bool is_runsc = request.handler == "runsc";
  const bool again = request.again;
  Result<std::uint32_t> made = 0U;
  std::exception_ptr cancelled;
  try {
    made = co_await create_container(&impl_->context, &impl_->images, std::move(request), record);
  } catch (const boost::system::system_error&) {
    cancelled = std::current_exception();
  }
  if (made && !cancelled) {
    impl_->known.insert(key);
    if (is_runsc) impl_->exits.watch(key, *made);
    co_return Result<void>();
  }
  co_await aio::ignore_cancellation();
  if (*record) {
    Result<void> undone;
    if (again) {
      const auto ended = co_await end_task_of(&impl_->context, key);
      if (!ended) undone = ended.error();
    } else {
      undone = co_await remove_container(&impl_->context, key);
    }
    if (!undone && made.has_error()) {
      made = made.error().with_reasons({"not cleaned up: " + undone.error().message()});
    }
  }
  if (cancelled) std::rethrow_exception(cancelled);
  co_return made.error();
}

Task<Result<std::uint32_t>> ContainerdRuntime::start(std::string key) {
  Context& context = impl_->context;
  wire::StartRequest request;
  request.set_container_id(key);
  auto reply = co_await call<wire::StartReply>(context.channel, method::kTasksStart, request.SerializeAsString(),
                                               context.options.start_timeout);
  if (reply) co_return reply->pid();
  const ErrorCode code =
      reply.error().code() == ErrorCode::unavailable ? ErrorCode::unavailable : ErrorCode::runtime_failed;
  co_return Error(code, clean_runtime_text(reply.error().message()));
}

Task<Result<void>> ContainerdRuntime::set_cpu_limit(std::string key, std::int64_t milli) {
  const std::string group = impl_->context.options.cgroup_parent + "/" + key;
  co_return co_await impl_->context.files.run([group, milli] { return write_cpu_limit(group, milli); });
}

Task<Result<std::shared_ptr<ports::RuntimeProcess>>> ContainerdRuntime::start_process(
    ports::RuntimeExecRequest request) {
  return impl_->execs.start(std::move(request));
}

Task<Result<void>> ContainerdRuntime::end_left_processes() { return impl_->execs.end_left(); }

Task<Result<void>> ContainerdRuntime::pause(std::string key) { return pause_task(&impl_->context, std::move(key)); }
Task<Result<void>> ContainerdRuntime::resume(std::string key) { return resume_task(&impl_->context, std::move(key)); }
Task<Result<void>> ContainerdRuntime::ask_to_stop(std::string key) {
  return ask_task_to_stop(&impl_->context, std::move(key));
}

Task<Result<std::optional<int>>> ContainerdRuntime::end_task(std::string key) {
  SBX_CO_TRY(exit_code, co_await end_task_of(&impl_->context, key));
  if (exit_code) exit_code = impl_->exits.correct(key, *exit_code);
  impl_->exits.forget(key);
  co_return exit_code;
}

Task<Result<void>> ContainerdRuntime::remove(std::string key) {
  SBX_CO_CHECK(co_await remove_container(&impl_->context, key));
  impl_->known.erase(key);
  impl_->exits.forget(key);
  co_return Result<void>();
}

Task<Result<std::map<std::string, wire::Process>>> ContainerdRuntime::Impl::tasks() {
  SBX_CO_TRY(reply, co_await call<wire::ListTasksReply>(context.channel, method::kTasksList, std::string(),
                                                        context.options.start_timeout));
  std::map<std::string, wire::Process> out;
  for (const wire::Process& process : reply.tasks()) {
    out[process.container_id().empty() ? process.id() : process.container_id()] = process;
  }
  co_return out;
}

Task<Result<std::vector<wire::Container>>> ContainerdRuntime::Impl::records() {
  wire::ListContainersRequest request;
  request.add_filters(std::string("labels.\"") + kLabelInstance + "\"==" + context.options.instance);
  SBX_CO_TRY(reply,
             co_await call<wire::ListContainersReply>(context.channel, method::kContainersList,
                                                      request.SerializeAsString(), context.options.call_timeout));
  co_return std::vector<wire::Container>(reply.containers().begin(), reply.containers().end());
}

// The daemon waits two seconds for a shim, and then leaves its task out of the list or tells it as one without a state:
// neither is believed before the shim was silent for the time of a call.
Task<Result<std::optional<wire::Process>>> ContainerdRuntime::Impl::certain(std::string key,
                                                                            std::optional<wire::Process> told) {
  const MonoTime give_up = context.clock.mono_now() + context.options.call_timeout;
  while (!told || is_shim_silent(*told)) {
    wire::GetTaskRequest request;
    request.set_container_id(key);
    const auto reply = co_await call<wire::GetTaskReply>(context.channel, method::kTasksGet,
                                                         request.SerializeAsString(), context.options.call_timeout);
    if (!reply && reply.error().code() == ErrorCode::not_found) co_return std::optional<wire::Process>();
    if (!reply && reply.error().code() == ErrorCode::unavailable) co_return reply.error();
    told = reply ? reply->process() : wire::Process();
    if (context.clock.mono_now() >= give_up) break;
    if (is_shim_silent(*told)) co_await context.clock.sleep_for(kSilencePoll);
  }
  co_return told;
}

Task<Result<std::vector<FoundContainer>>> ContainerdRuntime::list() {
  // First the events, then the list: whatever changes after the list was made is seen by next_event().
  SBX_CO_CHECK(co_await impl_->feed.open());
  SBX_CO_TRY(records, co_await impl_->records());
  SBX_CO_TRY(tasks, co_await impl_->tasks());
  Context& context = impl_->context;
  std::vector<FoundContainer> out;
  for (const wire::Container& record : records) {
    FoundContainer found;
    found.key = record.id();
    found.sandbox = SandboxId(label(record, kLabelSandbox));
    found.uid = label(record, kLabelUid);
    std::optional<wire::Process> told;
    if (const auto task = tasks.find(record.id()); task != tasks.end()) told = task->second;
    SBX_CO_TRY(process, co_await impl_->certain(record.id(), std::move(told)));
    if (process) fill(found, *process);
    if (process && is_shim_silent(*process)) {
      log.warn("a container's shim does not answer: it counts as ended", {{"container", found.key}});
      found.task = FoundContainer::Task::stopped;
    } else if (process && found.task == FoundContainer::Task::stopped) {
      SBX_CO_TRY(exit_code, co_await exit_code_of(&context, found.key, *process));
      found.exit_code = exit_code;
    }
    impl_->known.insert(found.key);
    if (found.exit_code) found.exit_code = impl_->exits.correct(found.key, *found.exit_code);
    const bool lives = found.task == FoundContainer::Task::created || found.task == FoundContainer::Task::running;
    const bool is_gvisor = record.runtime().name() == kRunscRuntime;
    if (lives && is_gvisor) impl_->exits.watch(found.key, found.pid);
    // Its shim was not told of the pause (gvisor_pause.hpp).
    if (lives && is_gvisor && is_marked_paused(context, found.key)) found.task = FoundContainer::Task::paused;
    out.push_back(std::move(found));
  }
  std::set<std::string> keys, idle;
  for (const FoundContainer& one : out) {
    keys.insert(one.key);
    if (one.task == FoundContainer::Task::none) idle.insert(one.key);
  }
  co_await impl_->sweep_disks(std::move(keys), std::move(idle));
  co_return out;
}

// Disks are left mounted by an earlier life only: in this one each end of a task unmounts its own.
Task<void> ContainerdRuntime::Impl::sweep_disks(std::set<std::string> keys, std::set<std::string> idle) {
  if (has_swept) idle.clear();
  const auto swept = co_await context.disks.sweep(std::move(keys), std::move(idle));
  has_swept = has_swept || swept;
  if (!swept) log.warn("disks left for later", {{"cause", swept.error().message()}});
}

Task<Result<bool>> ContainerdRuntime::Impl::is_known(std::string key) {
  if (known.contains(key)) co_return true;
  wire::GetContainerRequest request;
  request.set_id(key);
  const auto reply = co_await call<wire::GetContainerReply>(context.channel, method::kContainersGet,
                                                            request.SerializeAsString(), context.options.call_timeout);
  if (!reply && reply.error().code() == ErrorCode::unavailable) co_return reply.error();
  co_return reply&& label(reply->container(), kLabelInstance) == context.options.instance;
}

Task<Result<ports::RuntimeEvent>> ContainerdRuntime::next_event() {
  while (true) {
    SBX_CO_TRY(event, co_await impl_->feed.next());
    const std::string key = std::visit([](const auto& one) { return one.key; }, event);
    SBX_CO_TRY(ours, co_await impl_->is_known(key));
    if (!ours) continue;
    if (auto* exit = std::get_if<ports::ContainerExited>(&event)) {
      exit->exit_code = impl_->exits.correct(key, exit->exit_code);
    }
    co_return event;
  }
}

}  // namespace sandboxd::containerd
