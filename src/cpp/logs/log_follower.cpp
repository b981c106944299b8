#include "logs/log_follower.hpp"

#include "aio/notifier.hpp"
#include "aio/shield.hpp"
#include "base/limits.hpp"
#include "logs/descriptor.hpp"
#include "logs/log_files.hpp"
#include "logs/log_tail.hpp"

#include <cerrno>
#include <fcntl.h>
#include <utility>

namespace sandboxd::logs {
namespace {

constexpr std::size_t kPortionBytesMax = 1024 * 1024;  // of one container, after the first call

struct Followed {
  std::string name;
  LogTail tail;
};

// Outlives the reader while its files are being read.
struct State {
  State(const boost::asio::any_io_executor& executor, Descriptor opened)
      : directory(std::move(opened)), changed(executor) {}

  // The reading thread's, while next() waits for it.
  Descriptor directory;
  std::vector<Followed> followed;

  // The core thread's.
  aio::Notifier changed;
  bool is_stale = true;  // something may be there that was not read
  bool is_finished = false;
  bool has_begun = false;
};

struct Found {
  std::vector<ports::ContainerOutput> outputs;
  bool has_more = false;
};

std::size_t size_of(const std::vector<std::string>& lines) {
  std::size_t bytes = 0;
  for (const std::string& line : lines) bytes += line.size() + 1;
  return bytes;
}

// On the reading thread.
Result<Found> read_what_is_there(State& state, bool is_first) {
  Found found;
  for (Followed& followed : state.followed) {
    ports::ContainerOutput output{followed.name, {}};
    SBX_CHECK(followed.tail.read(is_first ? limits::kLogFileBytesMax + 1 : kPortionBytesMax, output.lines));
    if (is_first && size_of(output.lines) > limits::kLogFileBytesMax)
      return Error(ErrorCode::too_large, "logs too large");
    if (followed.tail.has_more()) found.has_more = true;
    if (!output.lines.empty()) found.outputs.push_back(std::move(output));
  }
  return found;
}

class Follower final : public ports::OutputReader {
 public:
  Follower(std::shared_ptr<State> state, aio::BlockingPool& files, std::unique_ptr<DirectoryWatch::Subscription> watch)
      : state_(std::move(state)), files_(files), watch_(std::move(watch)) {}

  Task<Result<std::optional<std::vector<ports::ContainerOutput>>>> next() override {
    using Next = std::optional<std::vector<ports::ContainerOutput>>;
    const auto state = state_;
    for (;;) {
      while (!state->is_stale && !state->is_finished) co_await state->changed.wait();
      if (!state->is_stale) co_return Next();
      state->is_stale = false;
      const bool is_first = !std::exchange(state->has_begun, true);
      // Shielded: what was read is given out even when the caller is cancelled meanwhile.
      SBX_CO_TRY(found,
                 co_await aio::shield(files_.run([state, is_first] { return read_what_is_there(*state, is_first); })));
      if (found.has_more) state->is_stale = true;
      if (is_first || !found.outputs.empty()) co_return Next(std::move(found.outputs));
    }
  }

  void finish() override {
    state_->is_finished = true;
    state_->is_stale = true;
    state_->changed.notify();
  }

 private:
  std::shared_ptr<State> state_;
  aio::BlockingPool& files_;
  std::unique_ptr<DirectoryWatch::Subscription> watch_;
};

}  // namespace

Result<std::unique_ptr<ports::OutputReader>> follow_logs(boost::asio::any_io_executor executor, DirectoryWatch& changes,
                                                         aio::BlockingPool& files, const std::string& data_dir,
                                                         SandboxId sandbox,
                                                         const std::vector<std::string>& containers) {
  SBX_CHECK(check_id(sandbox));
  const std::string path = data_dir + "/logs/" + sandbox.str();
  Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!directory.valid()) return errno_error(errno, "open " + path, ErrorCode::storage_failed);
  auto state = std::make_shared<State>(executor, std::move(directory));
  for (const std::string& container : containers) {
    SBX_CHECK(check_names(sandbox, container));
    state->followed.push_back({container, LogTail(state->directory.get(), container)});
  }
  // Before the first look, so that no change falls between the two.
  SBX_TRY(watch, changes.watch(path, [weak = std::weak_ptr(state)] {
    const auto followed = weak.lock();
    if (!followed) return;
    followed->is_stale = true;
    followed->changed.notify();
  }));
  return std::unique_ptr<ports::OutputReader>(std::make_unique<Follower>(std::move(state), files, std::move(watch)));
}

}  // namespace sandboxd::logs
