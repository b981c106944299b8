#include "containerd/gvisor_pause.hpp"

#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace sandboxd::containerd {

namespace {

constexpr const char* kRoot = "--root=/run/containerd/runsc/k8s.io";  // the shim's, for containerd's namespace
constexpr Duration kLimit = std::chrono::seconds(20);

std::string mark_of(const Context& context, const std::string& key) {
  return context.options.run_dir + "/paused/" + key;
}

Result<std::string> find_runsc(const Context& context) {
  const std::string& named = context.options.runsc_binary;
  if (named.starts_with('/')) return named;
  const std::string name = named.empty() ? "runsc" : named;
  for (const char* folder : {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}) {
    std::string path = std::string(folder) + "/" + name;
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  return Error(ErrorCode::not_found, name + " is not installed: gVisor's sandboxes cannot be paused without it");
}

Task<Result<void>> run_runsc(Context* context, std::string verb, std::string key) {
  if (context->options.runner == nullptr)
    co_return Error(ErrorCode::unsupported, "this adapter was given nothing to run runsc with");
  SBX_CO_TRY(program, find_runsc(*context));
  ports::ProcessRequest request;
  request.argv = {program, kRoot, verb, key};
  request.env["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  request.timeout = kLimit;
  const auto done = co_await context->options.runner->run(std::move(request));
  if (!done) co_return Error(ErrorCode::runtime_failed, "runsc " + verb + ": " + done.error().message());
  if (done->exit_code == 0) co_return Result<void>();
  co_return Error(ErrorCode::runtime_failed, "runsc " + verb + " " + key + ": " + done->stderr_text.substr(0, 1000));
}

}  // namespace

bool is_marked_paused(const Context& context, const std::string& key) {
  return access(mark_of(context, key).c_str(), F_OK) == 0;
}

void forget_pause(const Context& context, const std::string& key) { unlink(mark_of(context, key).c_str()); }

Task<Result<void>> pause_gvisor(Context* context, std::string key) {
  std::error_code ec;
  const std::string mark = mark_of(*context, key);
  std::filesystem::create_directories(context->options.run_dir + "/paused", ec);
  const bool was_marked = is_marked_paused(*context, key);
  std::ofstream file(mark);
  file.close();
  if (!file) co_return Error(ErrorCode::storage_failed, "cannot write " + mark);
  auto paused = co_await run_runsc(context, "pause", key);
  // A second pause is refused: then the first one holds, or died before it did anything, which a resume tells.
  if (!paused && was_marked) {
    const auto resumed = co_await run_runsc(context, "resume", key);
    if (resumed) paused = co_await run_runsc(context, "pause", key);
  }
  if (!paused) forget_pause(*context, key);
  co_return paused;
}

Task<Result<void>> resume_gvisor(Context* context, std::string key) {
  if (!is_marked_paused(*context, key)) co_return Result<void>();
  SBX_CO_CHECK(co_await run_runsc(context, "resume", key));
  forget_pause(*context, key);
  co_return Result<void>();
}

}  // namespace sandboxd::containerd
