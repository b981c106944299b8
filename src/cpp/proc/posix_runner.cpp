#include "proc/posix_runner.hpp"

#include "aio/deadline.hpp"
#include "aio/shield.hpp"
#include "proc/spawn.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/system_error.hpp>

#include <array>
#include <chrono>
#include <exception>
#include <poll.h>

namespace sandboxd::proc {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::seconds kStreamsLinger{1};

// What the three coroutines of one run share.
struct Run {
  Run(const asio::any_io_executor& executor, std::shared_ptr<Child> c, std::size_t bytes_max)
      : child(std::move(c)),
        exited(executor, child->pidfd.release()),
        out(executor, child->out.release()),
        err(executor, child->err.release()),
        linger(executor),
        output_bytes_max(bytes_max) {}

  std::shared_ptr<Child> child;
  asio::posix::stream_descriptor exited;
  asio::posix::stream_descriptor out;
  asio::posix::stream_descriptor err;
  asio::steady_timer linger;
  std::size_t output_bytes_max;
  int streams_open = 2;
  bool overflow = false;
  ports::ProcessOutcome outcome;
};

Task<void> read_stream(std::shared_ptr<Run> run, asio::posix::stream_descriptor& stream, std::string& text) {
  std::array<char, 16384> buffer;
  for (;;) {
    const auto [failure, n] =
        co_await stream.async_read_some(asio::buffer(buffer), asio::as_tuple(asio::use_awaitable));
    if (failure) break;
    if (text.size() + n > run->output_bytes_max) {
      run->overflow = true;
      run->child->kill_group();
      break;
    }
    text.append(buffer.data(), n);
  }
  if (--run->streams_open == 0) run->linger.cancel();
}

// A wait may return early: Asio reuses the state of a descriptor that was closed a moment ago, with an event of it that
// was not yet handed out. So the descriptor itself is asked.
bool has_exited(Run& run) {
  pollfd descriptor{run.exited.native_handle(), POLLIN, 0};
  return ::poll(&descriptor, 1, 0) == 1;
}

Task<void> await_exit(std::shared_ptr<Run> run) {
  do {
    co_await run->exited.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
  } while (!has_exited(*run));
  // The leader is still a zombie, so the group's number is ours: helpers it left running go with it.
  run->child->kill_group();
  run->outcome.exit_code = run->child->reap();
  if (run->streams_open == 0) co_return;
  run->linger.expires_after(kStreamsLinger);
  const auto [stopped] = co_await run->linger.async_wait(asio::as_tuple(asio::use_awaitable));
  if (stopped) co_return;  // both streams ended
  run->out.close();
  run->err.close();
}

Task<void> kill_and_reap(std::shared_ptr<Run> run) {
  run->child->kill_group();
  const auto [failure] =
      co_await run->exited.async_wait(asio::posix::stream_descriptor::wait_read, asio::as_tuple(asio::use_awaitable));
  if (!failure) static_cast<void>(run->child->reap());
}

Task<Result<ports::ProcessOutcome>> attend(std::shared_ptr<Child> child, std::size_t output_bytes_max,
                                           std::string program) {
  const auto executor = co_await asio::this_coro::executor;
  auto run = std::make_shared<Run>(executor, std::move(child), output_bytes_max);
  auto all = asio::experimental::make_parallel_group(
      asio::co_spawn(executor, read_stream(run, run->out, run->outcome.stdout_text), asio::deferred),
      asio::co_spawn(executor, read_stream(run, run->err, run->outcome.stderr_text), asio::deferred),
      asio::co_spawn(executor, await_exit(run), asio::deferred));
  auto done = co_await all.async_wait(asio::experimental::wait_for_all(), asio::use_awaitable);
  const std::exception_ptr cut_short = std::get<3>(done);
  if (cut_short) {
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await kill_and_reap(run);
    std::rethrow_exception(cut_short);
  }
  if (run->overflow)
    co_return Error(ErrorCode::too_large,
                    program + " printed more than " + std::to_string(output_bytes_max) + " bytes and was killed");
  co_return std::move(run->outcome);
}

}  // namespace

Task<Result<ports::ProcessOutcome>> PosixRunner::run(ports::ProcessRequest request) {
  SBX_CO_TRY(child, spawn(request));
  std::string program = request.argv[0];
  auto work = attend(std::move(child), request.output_bytes_max, program);
  co_return co_await aio::with_deadline(clock_, request.timeout, std::move(work), std::move(program));
}

}  // namespace sandboxd::proc
