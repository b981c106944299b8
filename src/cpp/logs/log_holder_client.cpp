#include "logs/log_holder_client.hpp"

#include "aio/deadline.hpp"
#include "base/log.hpp"
#include "logs/holder_protocol.hpp"
#include "logs/log_files.hpp"
#include "logs/log_follower.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/json.hpp>
#include <boost/system/system_error.hpp>

#include <optional>
#include <utility>

namespace sandboxd::logs {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;

constexpr Log kLog("logs");
constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);
constexpr int kLaunchTries = 20;
constexpr Duration kLaunchPause = std::chrono::milliseconds(50);
constexpr Duration kRetryPause = std::chrono::milliseconds(500);

Error unavailable(const std::string& text) { return {ErrorCode::unavailable, "log holder: " + text}; }

Error from_asio(const boost::system::error_code& error, const char* what) {
  if (error == asio::error::operation_aborted) throw boost::system::system_error(error);
  return unavailable(std::string(what) + ": " + error.message());
}

}  // namespace

LogHolderClient::LogHolderClient(asio::any_io_executor executor, ports::Clock& clock, ports::ProcessRunner& runner,
                                 LogHolderOptions options)
    : executor_(executor),
      clock_(clock),
      runner_(runner),
      options_(std::move(options)),
      calling_(executor, 1),
      launching_(executor, 1),
      changes_(executor),
      tasks_(executor) {}

LogHolderClient::~LogHolderClient() = default;

Task<Result<void>> LogHolderClient::start() {
  SBX_CO_CHECK(co_await ensure_version());
  tasks_.spawn("log holder watch", watch_holder());
  co_return Result<void>();
}

Task<void> LogHolderClient::stop() {
  stopped_ = true;
  tasks_.cancel();
  co_await tasks_.join();
  socket_.reset();
}

Task<Result<void>> LogHolderClient::shut_down_holder() {
  // Before it could start the next one.
  tasks_.cancel();
  co_await tasks_.join();
  const auto permit = co_await calling_.acquire();
  auto connected = co_await connect();
  if (!connected) co_return Result<void>();  // nobody there
  socket_ = std::make_unique<Socket>(*std::move(connected));
  half_way_ = false;
  auto answer = co_await exchange({{"op", "shutdown"}});
  socket_.reset();
  if (!answer) co_return answer.error();
  co_return Result<void>();
}

Task<Result<LogHolderClient::Socket>> LogHolderClient::connect() {
  Socket socket(executor_);
  const auto done =
      co_await socket.async_connect(asio::local::stream_protocol::endpoint(holder_socket(options_.run_dir)), kAsTuple);
  if (const auto error = std::get<0>(done)) co_return from_asio(error, "connect");
  co_return Result<Socket>(std::move(socket));
}

// Two agents, or two coroutines, may both find no holder: the lock in the run directory lets one program win, and the
// others' connects then reach it.
Task<Result<LogHolderClient::Socket>> LogHolderClient::connect_or_launch() {
  auto first = co_await connect();
  if (first) co_return first;
  const auto permit = co_await launching_.acquire();
  for (int tries = 0; tries < kLaunchTries; ++tries) {
    auto again = co_await connect();
    if (again) co_return again;
    SBX_CO_CHECK(co_await launch());
    auto fresh = co_await connect();
    if (fresh) co_return fresh;
    // A holder that is just ending still has the lock.
    co_await clock_.sleep_for(kLaunchPause);
  }
  co_return unavailable("does not answer on " + holder_socket(options_.run_dir));
}

Task<Result<void>> LogHolderClient::launch() {
  ports::ProcessRequest request;
  request.argv = {options_.program, "--run-dir", options_.run_dir, "--data-dir", options_.data_dir};
  auto outcome = co_await runner_.run(std::move(request));
  if (!outcome) co_return outcome.error().with_context("start " + options_.program);
  if (outcome->exit_code != 0)
    co_return unavailable("exit code " + std::to_string(outcome->exit_code) + ": " + outcome->stderr_text);
  co_return Result<void>();
}

Task<Result<std::string>> LogHolderClient::send_and_receive(std::string line) {
  const auto sent = co_await asio::async_write(*socket_, asio::buffer(line), kAsTuple);
  if (const auto error = std::get<0>(sent)) co_return from_asio(error, "send");
  received_.clear();
  const auto done =
      co_await asio::async_read_until(*socket_, asio::dynamic_buffer(received_, kHolderAnswerBytesMax), '\n', kAsTuple);
  if (const auto error = std::get<0>(done)) co_return from_asio(error, "receive");
  co_return received_.substr(0, std::get<1>(done));
}

Task<Result<json::object>> LogHolderClient::exchange(json::object command) {
  // A caller that was cancelled half way left an answer behind that is not ours.
  if (half_way_) socket_.reset();
  if (!socket_) {
    auto connected = co_await connect_or_launch();
    if (!connected) co_return connected.error();
    socket_ = std::make_unique<Socket>(*std::move(connected));
  }
  half_way_ = true;
  auto line = co_await send_and_receive(json::serialize(command) + "\n");
  half_way_ = false;
  if (!line) co_return line.error();
  boost::system::error_code parse_error;
  const json::value answer = json::parse(*line, parse_error);
  if (parse_error || !answer.is_object())
    co_return Error(ErrorCode::protocol_error, "log holder: answered with something that is no JSON object");
  const json::value* fine = answer.get_object().if_contains("ok");
  if (fine != nullptr && fine->is_bool() && fine->get_bool()) co_return answer.get_object();
  const json::value* text = answer.get_object().if_contains("error");
  co_return Error(ErrorCode::storage_failed,
                  "log holder: " + (text != nullptr && text->is_string() ? std::string(text->get_string())
                                                                         : std::string("refused")));
}

Task<Result<json::object>> LogHolderClient::call(json::object command) {
  const auto permit = co_await calling_.acquire();
  for (int tries = 0;; ++tries) {
    auto answer = co_await aio::with_deadline(clock_, options_.answer_timeout, exchange(command), "log holder");
    const bool lost = !answer && (answer.error().code() == ErrorCode::unavailable ||
                                  answer.error().code() == ErrorCode::deadline_exceeded);
    if (lost) socket_.reset();
    if (!lost || tries == 1) co_return answer;
  }
}

Task<Result<void>> LogHolderClient::ensure_version() {
  auto answer = co_await call({{"op", "ping"}});
  if (!answer) co_return answer.error();
  const json::value* version = answer->if_contains("version");
  if (version != nullptr && version->is_int64() && version->get_int64() == kHolderVersion) co_return Result<void>();
  kLog.info("replacing a log holder of another version");
  auto ended = co_await call({{"op", "shutdown"}});
  if (!ended) co_return ended.error();
  socket_.reset();
  auto fresh = co_await call({{"op", "ping"}});
  if (!fresh) co_return fresh.error();
  co_return Result<void>();
}

json::object LogHolderClient::open_command(const std::string& sandbox, const std::string& container) const {
  return {{"op", "open"}, {"sandbox", sandbox}, {"container", container}, {"bytes_max", options_.bytes_max}};
}

Task<Result<void>> LogHolderClient::open_again() {
  const auto all = opened_;
  for (const auto& [sandbox, container] : all) {
    if (!opened_.contains({sandbox, container})) continue;  // removed meanwhile
    auto answer = co_await call(open_command(sandbox, container));
    if (!answer) co_return answer.error();
  }
  co_return Result<void>();
}

Task<void> LogHolderClient::watch_holder() {
  while (!stopped_) {
    auto socket = co_await connect_or_launch();
    Result<void> ready;
    if (!socket) ready = socket.error();
    if (ready) ready = co_await open_again();
    if (!ready) {
      kLog.warn("log holder not reached", {{"error", ready.error().message()}});
      co_await clock_.sleep_for(kRetryPause);
      continue;
    }
    // The holder never sends anything unasked: this read ends when it does.
    char byte = 0;
    const auto ended = co_await socket->async_read_some(asio::buffer(&byte, 1), kAsTuple);
    if (std::get<0>(ended) == asio::error::operation_aborted) co_return;
    kLog.warn("log holder ended, starting the next");
  }
}

Task<Result<ports::OutputPipes>> LogHolderClient::open(SandboxId sandbox, std::string container) {
  SBX_CO_CHECK(check_names(sandbox, container));
  auto answer = co_await call(open_command(sandbox.str(), container));
  if (!answer) co_return answer.error();
  opened_.insert({sandbox.str(), container});
  const json::value* out = answer->if_contains("stdout");
  const json::value* err = answer->if_contains("stderr");
  if (out == nullptr || err == nullptr || !out->is_string() || !err->is_string())
    co_return Error(ErrorCode::protocol_error, "log holder: answer without paths");
  co_return ports::OutputPipes{std::string(out->get_string()), std::string(err->get_string())};
}

Task<Result<void>> LogHolderClient::drain(SandboxId sandbox, std::string container) {
  SBX_CO_CHECK(check_names(sandbox, container));
  auto answer = co_await call({{"op", "drain"}, {"sandbox", sandbox.str()}, {"container", container}});
  if (!answer) co_return answer.error();
  co_return Result<void>();
}

Task<Result<void>> LogHolderClient::remove(SandboxId sandbox) {
  SBX_CO_CHECK(check_id(sandbox));
  std::erase_if(opened_, [&](const auto& item) { return item.first == sandbox.str(); });
  auto answer = co_await call({{"op", "remove"}, {"sandbox", sandbox.str()}});
  if (!answer) co_return answer.error();
  co_return Result<void>();
}

Task<Result<std::vector<SandboxId>>> LogHolderClient::list() {
  auto answer = co_await call({{"op", "list"}});
  if (!answer) co_return answer.error();
  std::vector<SandboxId> sandboxes;
  const json::value* names = answer->if_contains("sandboxes");
  if (names == nullptr || !names->is_array())
    co_return Error(ErrorCode::protocol_error, "log holder: answer without sandboxes");
  for (const json::value& name : names->get_array()) {
    if (name.is_string()) sandboxes.emplace_back(std::string(name.get_string()));
  }
  co_return sandboxes;
}

Task<Result<std::vector<std::string>>> LogHolderClient::read(SandboxId sandbox, std::string container) {
  co_return co_await files_.run([directory = options_.data_dir, sandbox = std::move(sandbox),
                                 container = std::move(container)] { return read_log(directory, sandbox, container); });
}

Task<Result<std::unique_ptr<ports::OutputReader>>> LogHolderClient::follow(SandboxId sandbox,
                                                                           std::vector<std::string> containers) {
  co_return follow_logs(executor_, changes_, files_, options_.data_dir, std::move(sandbox), containers);
}

}  // namespace sandboxd::logs
