// The node's end of an agent's channel with nothing on top: the project's guestlink, and no HTTP, no JSON. The floor
// of exec.py's figures that are about bytes.
//
//   bench_agent_channel_host DIRECTORY
//
// DIRECTORY is a sandbox's agent directory on the host, with the agent's program. A second agent's directory is made
// below it; prints "ready AGENT DIRECTORY", the command that starts that agent inside. Then a line each:
//
//   output BYTES ARGV...  starts ARGV, which waits for its reader, and takes its output, which must be so many bytes
//   up BYTES PATH         writes a file
//   down BYTES PATH       reads it
//
// Each is answered with the seconds that it took. Ends with its input.
#include "agent/protocol.hpp"
#include "aio/io_runtime.hpp"
#include "aio/system_clock.hpp"
#include "aio/task_group.hpp"
#include "guestlink/guest_agents.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace sandboxd;
using SteadyClock = std::chrono::steady_clock;

constexpr const char* kKey = "bench";
constexpr std::size_t kPieceBytes = 256 * 1024;  // of a file that is written

double since(SteadyClock::time_point begin) {
  return std::chrono::duration<double>(SteadyClock::now() - begin).count();
}

class Channel {
 public:
  Channel(const boost::asio::any_io_executor& executor, aio::SystemClock& clock, const std::string& directory)
      : agents_(executor, clock, options_of(directory)), tasks_(executor) {}

  Task<Result<void>> prepare() {
    SBX_CO_CHECK(co_await agents_.prepare(kKey));
    ports::GuestSetup setup;
    setup.capabilities = ~std::uint64_t{0};  // what it has itself
    SBX_CO_CHECK(co_await agents_.set_up(kKey, std::move(setup)));
    tasks_.spawn("events", drop_events());
    co_return Result<void>();
  }

  Task<void> stop() {
    co_await agents_.stop();
    tasks_.cancel();
    co_await tasks_.join();
  }

  Task<Result<double>> output(std::vector<std::string> argv, std::uint64_t bytes) {
    model::CommandSpec spec;
    spec.id = "output" + std::to_string(++commands_);
    spec.argv = std::move(argv);
    spec.wait_for_reader = true;
    ports::GuestAttach how;
    how.command = spec.id;
    how.consume = true;
    SBX_CO_CHECK(co_await agents_.wait_connected(kKey, std::chrono::seconds(10)));
    SBX_CO_CHECK(co_await agents_.start(kKey, std::move(spec)));
    const std::string command = how.command;
    const auto begin = SteadyClock::now();
    SBX_CO_TRY(attachment, co_await agents_.attach(kKey, std::move(how)));
    std::uint64_t count = 0;
    for (;;) {
      SBX_CO_TRY(piece, co_await attachment->next());
      if (!piece) break;
      count += piece->bytes.size();
    }
    const double seconds = since(begin);
    SBX_CO_CHECK(co_await agents_.drop(kKey, command));
    if (count != bytes) co_return Error(ErrorCode::internal, std::to_string(count) + " bytes of output came");
    co_return seconds;
  }

  Task<Result<double>> up(std::string path, std::uint64_t bytes) {
    const auto begin = SteadyClock::now();
    ports::GuestPath to{std::move(path), ""};
    SBX_CO_TRY(writer, co_await agents_.write(kKey, std::move(to), 0644, false));
    for (std::uint64_t left = bytes; left > 0;) {
      const std::uint64_t size = std::min<std::uint64_t>(left, kPieceBytes);
      std::string piece(static_cast<std::size_t>(size), 'x');
      SBX_CO_CHECK(co_await writer->write(std::move(piece)));
      left -= size;
    }
    SBX_CO_TRY(file, co_await writer->finish());
    const double seconds = since(begin);
    if (file.size != bytes) co_return Error(ErrorCode::internal, std::to_string(file.size) + " bytes were written");
    co_return seconds;
  }

  Task<Result<double>> down(std::string path, std::uint64_t bytes) {
    const auto begin = SteadyClock::now();
    ports::GuestPath from{std::move(path), ""};
    SBX_CO_TRY(reader, co_await agents_.read(kKey, std::move(from), 0, UINT64_MAX));
    std::uint64_t count = 0;
    for (;;) {
      SBX_CO_TRY(piece, co_await reader->next());
      if (!piece) break;
      count += piece->size();
    }
    const double seconds = since(begin);
    if (count != bytes) co_return Error(ErrorCode::internal, std::to_string(count) + " bytes were read");
    co_return seconds;
  }

  Task<Result<double>> work(std::string line) {
    std::istringstream words(line);
    std::string what;
    std::uint64_t bytes = 0;
    words >> what >> bytes;
    std::vector<std::string> rest;
    for (std::string word; words >> word;) rest.push_back(word);
    if (rest.empty()) co_return Error(ErrorCode::invalid_argument, "unusable line: " + line);
    if (what == "output") co_return co_await output(std::move(rest), bytes);
    if (what == "up") co_return co_await up(rest.front(), bytes);
    if (what == "down") co_return co_await down(rest.front(), bytes);
    co_return Error(ErrorCode::invalid_argument, "unusable line: " + line);
  }

 private:
  static guestlink::Options options_of(const std::string& directory) {
    guestlink::Options options;
    options.run_dir = directory;
    options.program = directory + "/" + agent::kProgramName;
    return options;
  }
  Task<void> drop_events() {
    for (;;) co_await agents_.next_event();
  }

  guestlink::GuestAgents agents_;
  aio::TaskGroup tasks_;
  int commands_ = 0;
};

Task<void> begin(Channel& channel, std::string& failure) {
  const auto prepared = co_await channel.prepare();
  if (!prepared) failure = prepared.error().message();
}

Task<void> measure(Channel& channel, std::string line) {
  const auto seconds = co_await channel.work(std::move(line));
  if (seconds) {
    std::cout << *seconds << std::endl;
  } else {
    std::cout << "failed: " << seconds.error().message() << std::endl;
  }
}

}  // namespace

int main(int count, char** words) {
  if (count != 2) {
    std::cerr << "usage: bench_agent_channel_host DIRECTORY\n";
    return 2;
  }
  aio::IoRuntime runtime("channel");
  runtime.start();
  aio::SystemClock clock;
  auto channel = std::make_unique<Channel>(runtime.context().get_executor(), clock, words[1]);
  std::string failure;
  runtime.run(begin(*channel, failure));
  if (failure.empty()) {
    const std::string inside = std::string(agent::kDirectory) + "/agents/" + kKey;
    std::cout << "ready " << inside << '/' << agent::kProgramName << ' ' << inside << std::endl;
    for (std::string line; std::getline(std::cin, line);) runtime.run(measure(*channel, line));
  } else {
    std::cerr << failure << '\n';
  }
  runtime.run(channel->stop());
  channel.reset();
  runtime.stop();
  return failure.empty() ? 0 : 1;
}
