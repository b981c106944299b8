#include "orch/guest_service.hpp"

#include "codec/guest_wire.hpp"
#include "codec/sbxlet.hpp"
#include "orch/guest_lines.hpp"

#include <algorithm>
#include <utility>

namespace sandboxd::orch {
namespace {

using model::Phase;
namespace guest = codec::guest;

// One question to a node stays below the time limit of a call; a longer wait asks again.
constexpr Duration kWaitStep = std::chrono::seconds(20);
constexpr std::int64_t kMillisecond = 1'000'000;

// Where a sandbox's part of its node's API is.
struct Place {
  model::NodeAddress node;
  std::string path;
};

Error not_running(const model::Sandbox& sandbox) {
  std::string_view what;
  switch (sandbox.phase) {
    case Phase::pausing:
    case Phase::paused: what = "paused"; break;
    case Phase::stopping:
    case Phase::stopped: what = "stopped"; break;
    case Phase::failed: what = "failed"; break;
    case Phase::deleting: what = "being deleted"; break;
    default: what = "not running yet"; break;
  }
  return {ErrorCode::conflict, "sandbox is " + std::string(what)};
}

Task<Result<Place>> place_of(SandboxService& sandboxes, SandboxId id, bool must_run) {
  SBX_CO_TRY(sandbox, co_await sandboxes.get(id));
  if (must_run && sandbox->phase != Phase::running) co_return not_running(*sandbox);
  if (sandbox->node.empty()) co_return not_running(*sandbox);
  SBX_CO_TRY(node, co_await sandboxes.get_node(sandbox->node));
  co_return Place{node->address, "/v1/sandboxes/" + encode_segment(id.str())};
}

struct Question {
  std::string method = "GET";
  std::string path;  // below the sandbox's
  std::string body;
  bool must_run = false;
  std::size_t answer_bytes_max = limits::kNodeAnswerBytesMax;
};

// The body of what the node answered, or its error with its own code and words.
Task<Result<std::string>> ask(SandboxService& sandboxes, ports::NodeTransport& transport, SandboxId id,
                              Question question) {
  SBX_CO_TRY(place, co_await place_of(sandboxes, std::move(id), question.must_run));
  ports::NodeCall call;
  call.method = std::move(question.method);
  call.path = place.path + question.path;
  call.body = std::move(question.body);
  call.answer_bytes_max = question.answer_bytes_max;
  const std::string name = call.method + " " + call.path.substr(0, call.path.find('?'));
  SBX_CO_TRY(answer, co_await transport.call(std::move(place.node), std::move(call)));
  if (answer.status < 400) co_return std::move(answer.body);
  std::string text = codec::sbxlet::decode_error(answer.body);
  // A stock node has none of these routes; it says so in the words of its HTTP library.
  if (text.empty() && answer.status == 404) {
    co_return Error(ErrorCode::unsupported, "the node does not know " + name + " (a stock sandboxd-o node?)");
  }
  if (text.empty()) text = "the node answered " + answer.status_text + " to " + name;
  co_return Error(answer.code, std::move(text));
}

std::string command_path(const std::string& command) { return "/commands/" + encode_segment(command); }

std::string file_query(const GuestService::FileRef& file) {
  std::string query = "?path=" + encode_segment(file.path);
  if (!file.container.empty()) query += "&container=" + encode_segment(file.container);
  if (!file.user.empty()) query += "&user=" + encode_segment(file.user);
  return query;
}

std::string octal(std::uint32_t mode) {
  std::string text;
  for (; mode != 0; mode >>= 3) text.insert(text.begin(), static_cast<char>('0' + (mode & 7)));
  return "0" + text;
}

// Follows a command's output; a quiet one makes the connection fall silent, which is no end: then it is opened again
// where it was.
class FollowedOutput final : public OutputStream {
 public:
  FollowedOutput(SandboxService& sandboxes, ports::NodeTransport& transport, SandboxId id, std::string command)
      : sandboxes_(sandboxes), transport_(transport), id_(std::move(id)), command_(std::move(command)) {}

  Task<Result<void>> open() {
    SBX_CO_TRY(place, co_await place_of(sandboxes_, id_, false));
    ports::NodeCall call;
    call.path = place.path + command_path(command_) + "/output?stream=true&stdout_from=" + std::to_string(stdout_) +
                "&stderr_from=" + std::to_string(stderr_);
    SBX_CO_TRY(stream, co_await transport_.stream(std::move(place.node), std::move(call)));
    stream_ = std::move(stream);
    lines_ = LineSplitter();
    co_return Result<void>();
  }

  Task<Result<Next>> next() override {
    while (!is_over_) {
      if (auto line = lines_.take()) {
        if (line->empty()) continue;  // says only that the connection holds
        SBX_CO_TRY(item, guest::decode_line(*line));
        if (auto* piece = std::get_if<model::OutputPiece>(&item)) {
          (piece->is_stderr ? stderr_ : stdout_) = piece->position + piece->bytes.size();
          co_return Next(std::move(*piece));
        }
        is_over_ = true;
        co_return Next(std::get<model::Command>(std::move(item)));
      }
      if (lines_.is_too_long()) co_return Error(ErrorCode::protocol_error, "the node sent a line that is too long");
      auto bytes = co_await stream_->next();
      if (!bytes && bytes.error().code() == ErrorCode::deadline_exceeded) {
        SBX_CO_CHECK(co_await open());
      } else if (!bytes) {
        co_return bytes.error();
      } else if (!*bytes) {
        co_return Error(ErrorCode::unavailable, "the node ended the output before the command ended");
      } else {
        lines_.feed(**bytes);
      }
    }
    co_return Next();
  }

 private:
  SandboxService& sandboxes_;
  ports::NodeTransport& transport_;
  SandboxId id_;
  std::string command_;
  std::unique_ptr<ports::NodeStream> stream_;
  LineSplitter lines_;
  std::uint64_t stdout_ = 0;
  std::uint64_t stderr_ = 0;
  bool is_over_ = false;
};

}  // namespace

Task<Result<model::Command>> GuestService::start(SandboxId id, model::CommandSpec spec) {
  Question question;
  question.method = "POST";
  question.path = "/commands";
  question.body = guest::encode_spec(spec);
  question.must_run = true;
  SBX_CO_TRY(body, co_await ask(*sandboxes_, *transport_, std::move(id), std::move(question)));
  co_return guest::decode_command(body);
}

Task<Result<model::Command>> GuestService::run(SandboxId id, model::CommandSpec spec) {
  SBX_CO_TRY(command, co_await start(id, std::move(spec)));
  while (!command.exit_code) {
    SBX_CO_TRY(now, co_await wait(id, command.id, kWaitStep));
    command = std::move(now);
  }
  co_return std::move(command);
}

Task<Result<std::vector<model::Command>>> GuestService::list(SandboxId id) {
  // One that never came to a node has run nothing.
  SBX_CO_TRY(sandbox, co_await sandboxes_->get(id));
  if (sandbox->node.empty()) co_return std::vector<model::Command>();
  Question question;
  question.path = "/commands";
  SBX_CO_TRY(body, co_await ask(*sandboxes_, *transport_, std::move(id), std::move(question)));
  SBX_CO_TRY(commands, guest::decode_commands(body));
  std::ranges::sort(commands, {}, [](const model::Command& one) { return std::pair(one.started_at, one.id); });
  co_return std::move(commands);
}

Task<Result<model::Command>> GuestService::get(SandboxId id, std::string command) {
  Question question;
  question.path = command_path(command);
  SBX_CO_TRY(body, co_await ask(*sandboxes_, *transport_, std::move(id), std::move(question)));
  co_return guest::decode_command(body);
}

Task<Result<model::Command>> GuestService::wait(SandboxId id, std::string command, Duration limit) {
  for (;;) {
    const Duration step = std::min(limit, kWaitStep);
    limit -= step;
    Question question;
    question.path = command_path(command) + "?wait_ms=" + std::to_string(step.count() / kMillisecond);
    SBX_CO_TRY(body, co_await ask(*sandboxes_, *transport_, id, std::move(question)));
    auto now = guest::decode_command(body);
    if (!now || now->exit_code || limit.count() <= 0) co_return now;
  }
}

Task<Result<model::Command>> GuestService::signal(SandboxId id, std::string command, int number, Duration limit) {
  codec::json::object body;
  body["signal"] = number;
  body["group"] = true;
  body["wait_ms"] = limit.count() / kMillisecond;
  Question question;
  question.method = "POST";
  question.path = command_path(command) + "/signal";
  question.body = codec::write_json(body);
  SBX_CO_TRY(answer, co_await ask(*sandboxes_, *transport_, std::move(id), std::move(question)));
  co_return guest::decode_command(answer);
}

Task<Result<model::CommandOutput>> GuestService::output(SandboxId id, std::string command) {
  Question question;
  question.path = command_path(command) + "/output";
  SBX_CO_TRY(body, co_await ask(*sandboxes_, *transport_, std::move(id), std::move(question)));
  co_return guest::decode_output(body);
}

Task<Result<std::unique_ptr<OutputStream>>> GuestService::follow(SandboxId id, std::string command) {
  auto output = std::make_unique<FollowedOutput>(*sandboxes_, *transport_, std::move(id), std::move(command));
  SBX_CO_CHECK(co_await output->open());
  co_return std::move(output);
}

Task<Result<void>> GuestService::forget(SandboxId id, std::string command) {
  Question question;
  question.method = "DELETE";
  question.path = command_path(command);
  SBX_CO_TRY(body, co_await ask(*sandboxes_, *transport_, std::move(id), std::move(question)));
  co_return Result<void>();
}

Task<Result<std::string>> GuestService::read_file(FileRef file, std::size_t bytes_max) {
  Question question;
  question.path = "/files" + file_query(file);
  question.must_run = true;
  question.answer_bytes_max = bytes_max;
  co_return co_await ask(*sandboxes_, *transport_, file.sandbox, std::move(question));
}

Task<Result<model::FileInfo>> GuestService::write_file(FileRef file, std::string bytes, std::uint32_t mode) {
  Question question;
  question.method = "PUT";
  question.path = "/files" + file_query(file) + "&parents=true";
  if (mode != 0) question.path += "&mode=" + octal(mode);
  question.body = std::move(bytes);
  question.must_run = true;
  SBX_CO_TRY(body, co_await ask(*sandboxes_, *transport_, file.sandbox, std::move(question)));
  co_return guest::decode_file(body);
}

Task<Result<void>> GuestService::remove_file(FileRef file) {
  Question question;
  question.method = "DELETE";
  question.path = "/files" + file_query(file) + "&recursive=true";
  question.must_run = true;
  SBX_CO_TRY(body, co_await ask(*sandboxes_, *transport_, file.sandbox, std::move(question)));
  co_return Result<void>();
}

Task<Result<model::FileInfo>> GuestService::stat_file(FileRef file) {
  Question question;
  question.path = "/files/stat" + file_query(file);
  question.must_run = true;
  SBX_CO_TRY(body, co_await ask(*sandboxes_, *transport_, file.sandbox, std::move(question)));
  co_return guest::decode_file(body);
}

Task<Result<std::vector<model::FileInfo>>> GuestService::list_files(FileRef directory) {
  Question question;
  question.path = "/files/list" + file_query(directory);
  question.must_run = true;
  question.answer_bytes_max = limits::kHttpClientBodyBytesMax;
  SBX_CO_TRY(body, co_await ask(*sandboxes_, *transport_, directory.sandbox, std::move(question)));
  co_return guest::decode_files(body);
}

}  // namespace sandboxd::orch
