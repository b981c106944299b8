// The requests: what is asked becomes a message, and the reply a value.
#include "aio/deadline.hpp"
#include "guestlink/guest_agents.hpp"
#include "guestlink/streams.hpp"

#include <algorithm>
#include <utility>

namespace sandboxd::guestlink {
namespace {

constexpr std::size_t kListMax = agent::kItemsMax;  // entries of one directory listing

// A caller that goes away takes its call along.
struct Abandon {
  ConnectionPtr connection;
  CallPtr call;
  ~Abandon() { connection->link().abandon(call); }
};

Error break_off(Connection& connection) {
  Error error(ErrorCode::protocol_error, "the sandbox's agent sent a malformed reply");
  connection.close(error);
  return error;
}

ports::GuestCommandState state_of(agent::CommandState from) {
  ports::GuestCommandState out;
  out.id = std::move(from.command);
  out.pid = from.pid;
  out.started_at = WallTime{from.started_ns};
  out.terminal = from.terminal;
  out.is_over = from.state.is_over;
  out.exit_code = from.state.code;
  out.signal = from.state.signal;
  out.timed_out = from.state.timed_out;
  out.ended_at = WallTime{from.state.at_ns};
  out.stdout_begin = from.stdout_begin;
  out.stdout_end = from.state.stdout_end;
  out.stderr_begin = from.stderr_begin;
  out.stderr_end = from.state.stderr_end;
  return out;
}

agent::Start start_message(const model::CommandSpec& spec) {
  agent::Start out;
  out.command = spec.id;
  out.argv = spec.argv;
  for (const auto& [name, value] : spec.env) out.env.push_back(name + "=" + value);
  out.cwd = spec.cwd;
  out.user = spec.user;
  out.has_stdin = spec.has_stdin;
  out.terminal = spec.terminal.has_value();
  if (spec.terminal) {
    out.rows = spec.terminal->rows;
    out.columns = spec.terminal->columns;
  }
  out.keep_bytes = static_cast<std::uint64_t>(std::max<std::int64_t>(0, spec.keep_bytes));
  out.when_full = spec.wait_for_reader ? agent::WhenFull::wait : agent::WhenFull::drop;
  out.timeout_ms =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(spec.timeout).count());
  return out;
}

std::string attach_message(const ports::GuestAttach& how) {
  agent::Attach out;
  out.command = how.command;
  out.from_stdout = how.from_stdout;
  out.from_stderr = how.from_stderr;
  out.follow = how.follow;
  out.consume = how.consume;
  out.stdin = how.has_stdin;
  return agent::encode(out);
}

ports::GuestCommandState started_state(const agent::Started& started, model::CommandSpec spec) {
  ports::GuestCommandState out;
  out.id = std::move(spec.id);
  out.pid = started.pid;
  out.started_at = WallTime{started.at_ns};
  out.spawn_ns = started.spawn_ns;
  out.terminal = spec.terminal.has_value();
  return out;
}

std::string path_message(ports::GuestPath path, bool follow, std::uint32_t depth) {
  return agent::encode(agent::Path{std::move(path.path), std::move(path.user), follow, depth});
}

}  // namespace

Task<Result<GuestAgents::OpenCall>> GuestAgents::open(std::string key, agent::Type request, std::string payload) {
  SBX_CO_TRY(connection, co_await connected(std::move(key), options_.reconnect_wait));
  SBX_CO_TRY(call, connection->link().open(request, std::move(payload)));
  co_return OpenCall{std::move(connection), std::move(call)};
}

// aio::with_deadline() does it for any work, at the price of a coroutine; every exec waits so twice.
Task<Result<void>> GuestAgents::wait_over(CallPtr call, Duration limit) {
  bool is_late = false;
  const auto alarm = clock_.alarm_at(executor_, clock_.mono_now() + limit, [&is_late, call](boost::system::error_code) {
    is_late = true;
    call->changed.notify();
  });
  while (!call->is_over() && !is_late) co_await call->changed.wait();
  if (call->is_over()) co_return Result<void>();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(limit).count();
  co_return Error(ErrorCode::deadline_exceeded, "the sandbox's agent: not done within " + std::to_string(ms) + " ms");
}

Task<Result<GuestAgents::Reply>> GuestAgents::ask(std::string key, agent::Type request, std::string payload,
                                                  Duration limit) {
  SBX_CO_TRY(opened, co_await open(std::move(key), request, std::move(payload)));
  const Abandon abandon{opened.connection, opened.call};
  SBX_CO_CHECK(co_await wait_over(opened.call, limit));
  if (opened.call->failure) co_return *opened.call->failure;
  co_return Reply{opened.connection, *std::move(opened.call->reply)};
}

template <class Message>
Task<Result<Message>> GuestAgents::ask_for(std::string key, agent::Type request, std::string payload, Duration limit) {
  SBX_CO_TRY(reply, co_await ask(std::move(key), request, std::move(payload), limit));
  auto message = agent::decode<Message>(reply.payload);
  if (message) co_return *std::move(message);
  co_return break_off(*reply.connection);
}

Task<Result<model::FileInfo>> GuestAgents::ask_for_file(std::string key, agent::Type request, std::string payload) {
  SBX_CO_TRY(status,
             co_await ask_for<agent::FileStatus>(std::move(key), request, std::move(payload), options_.reply_limit));
  co_return file_info(std::move(status));
}

Task<Result<ports::GuestCommandState>> GuestAgents::start(std::string key, model::CommandSpec spec) {
  SBX_CO_TRY(started, co_await ask_for<agent::Started>(std::move(key), agent::Type::start,
                                                       agent::encode(start_message(spec)), options_.reply_limit));
  co_return started_state(started, std::move(spec));
}

Task<Result<std::vector<ports::GuestCommandState>>> GuestAgents::commands(std::string key) {
  SBX_CO_TRY(list,
             co_await ask_for<agent::CommandList>(std::move(key), agent::Type::commands, "", options_.reply_limit));
  std::vector<ports::GuestCommandState> states;
  for (auto& one : list.commands) states.push_back(state_of(std::move(one)));
  co_return states;
}

Task<Result<std::unique_ptr<ports::GuestAttachment>>> GuestAgents::attach(std::string key, ports::GuestAttach how) {
  SBX_CO_TRY(opened, co_await open(std::move(key), agent::Type::attach, attach_message(how)));
  co_return std::make_unique<Attachment>(std::move(opened.connection), std::move(opened.call), std::move(how.command));
}

Task<Result<ports::GuestStarted>> GuestAgents::start_attached(std::string key, model::CommandSpec spec,
                                                              ports::GuestAttach how) {
  SBX_CO_TRY(connection, co_await connected(std::move(key), options_.reconnect_wait));
  SBX_CO_TRY(calls, connection->link().open_two(agent::Type::start, agent::encode(start_message(spec)),
                                                agent::Type::attach, attach_message(how)));
  const Abandon abandon{connection, calls.first};
  auto attachment = std::make_unique<Attachment>(connection, std::move(calls.second), std::move(how.command));
  SBX_CO_CHECK(co_await wait_over(calls.first, options_.reply_limit));
  if (calls.first->failure) co_return *calls.first->failure;
  const auto started = agent::decode<agent::Started>(*calls.first->reply);
  if (!started) co_return break_off(*connection);
  co_return ports::GuestStarted{started_state(*started, std::move(spec)), std::move(attachment)};
}

Task<Result<void>> GuestAgents::signal(std::string key, std::string command, int number, bool group) {
  SBX_CO_CHECK(co_await ask_for<agent::Empty>(std::move(key), agent::Type::signal,
                                              agent::encode(agent::Signal{std::move(command), number, group}),
                                              options_.reply_limit));
  co_return Result<void>();
}

Task<Result<void>> GuestAgents::resize(std::string key, std::string command, model::TerminalSize size) {
  SBX_CO_CHECK(co_await ask_for<agent::Empty>(std::move(key), agent::Type::resize,
                                              agent::encode(agent::Resize{std::move(command), size.rows, size.columns}),
                                              options_.reply_limit));
  co_return Result<void>();
}

Task<Result<void>> GuestAgents::drop(std::string key, std::string command) {
  SBX_CO_CHECK(co_await ask_for<agent::Empty>(std::move(key), agent::Type::forget,
                                              agent::encode(agent::Forget{std::move(command)}), options_.reply_limit));
  co_return Result<void>();
}

Task<Result<model::FileInfo>> GuestAgents::stat(std::string key, ports::GuestPath path, bool follow) {
  return ask_for_file(std::move(key), agent::Type::stat, path_message(std::move(path), follow, 1));
}

Task<Result<std::unique_ptr<ports::GuestReader>>> GuestAgents::open_reader(std::string key, agent::Type request,
                                                                           std::string payload) {
  SBX_CO_TRY(opened, co_await open(std::move(key), request, std::move(payload)));
  co_return std::make_unique<Reader>(std::move(opened.connection), std::move(opened.call));
}

Task<Result<std::unique_ptr<ports::GuestWriter>>> GuestAgents::open_writer(std::string key, agent::Type request,
                                                                           std::string payload) {
  SBX_CO_TRY(opened, co_await open(std::move(key), request, std::move(payload)));
  co_return std::make_unique<Writer>(std::move(opened.connection), std::move(opened.call));
}

Task<Result<std::unique_ptr<ports::GuestReader>>> GuestAgents::read(std::string key, ports::GuestPath path,
                                                                    std::uint64_t offset, std::uint64_t length) {
  return open_reader(std::move(key), agent::Type::read,
                     agent::encode(agent::Read{std::move(path.path), std::move(path.user), offset, length}));
}

Task<Result<std::unique_ptr<ports::GuestWriter>>> GuestAgents::write(std::string key, ports::GuestPath path,
                                                                     std::uint32_t mode, bool parents) {
  return open_writer(std::move(key), agent::Type::write,
                     agent::encode(agent::Write{std::move(path.path), std::move(path.user), mode, parents}));
}

Task<Result<std::vector<model::FileInfo>>> GuestAgents::list_files(std::string key, ports::GuestPath path,
                                                                   std::uint32_t depth) {
  SBX_CO_TRY(opened, co_await open(std::move(key), agent::Type::list, path_message(std::move(path), true, depth)));
  OpenStream stream(std::move(opened.connection), std::move(opened.call));
  std::vector<model::FileInfo> files;
  for (;;) {
    SBX_CO_TRY(piece, co_await stream.next());
    if (!piece) co_return files;
    auto list = agent::decode<agent::FileList>(piece->bytes);
    if (!list) co_return stream.break_off("list of files");
    if (files.size() + list->entries.size() > kListMax)
      co_return Error(ErrorCode::too_large,
                      "more than " + std::to_string(kListMax) + " files: list its directories one by one");
    for (auto& entry : list->entries) files.push_back(file_info(std::move(entry)));
  }
}

Task<Result<model::FileInfo>> GuestAgents::make_directory(std::string key, ports::GuestPath path, std::uint32_t mode,
                                                          bool parents) {
  return ask_for_file(std::move(key), agent::Type::mkdir,
                      agent::encode(agent::Write{std::move(path.path), std::move(path.user), mode, parents}));
}

Task<Result<void>> GuestAgents::remove(std::string key, ports::GuestPath path, bool recursive) {
  SBX_CO_CHECK(co_await ask_for<agent::Empty>(
      std::move(key), agent::Type::remove,
      agent::encode(agent::Remove{std::move(path.path), std::move(path.user), recursive}), options_.work_limit));
  co_return Result<void>();
}

Task<Result<model::FileInfo>> GuestAgents::rename(std::string key, ports::GuestPath from, std::string to) {
  return ask_for_file(std::move(key), agent::Type::rename,
                      agent::encode(agent::Rename{std::move(from.path), std::move(to), std::move(from.user)}));
}

Task<Result<std::unique_ptr<ports::GuestReader>>> GuestAgents::pack(std::string key, ports::GuestPath path) {
  return open_reader(std::move(key), agent::Type::pack, path_message(std::move(path), true, 1));
}

Task<Result<std::unique_ptr<ports::GuestWriter>>> GuestAgents::unpack(std::string key, ports::GuestPath path) {
  return open_writer(std::move(key), agent::Type::unpack,
                     agent::encode(agent::Write{std::move(path.path), std::move(path.user), 0, true}));
}

Task<Result<std::unique_ptr<ports::GuestWatch>>> GuestAgents::watch(std::string key, ports::GuestPath path,
                                                                    bool recursive) {
  SBX_CO_TRY(opened, co_await open(std::move(key), agent::Type::watch,
                                   agent::encode(agent::Watch{std::move(path.path), std::move(path.user), recursive})));
  auto watch = std::make_unique<Watch>(std::move(opened.connection), std::move(opened.call));
  SBX_CO_CHECK(co_await aio::with_deadline(clock_, options_.reply_limit, watch->begun(), "the sandbox's agent"));
  co_return watch;
}

Task<Result<std::vector<ports::GuestPort>>> GuestAgents::listening_ports(std::string key) {
  SBX_CO_TRY(list, co_await ask_for<agent::PortList>(std::move(key), agent::Type::ports, "", options_.reply_limit));
  std::vector<ports::GuestPort> ports;
  for (auto& one : list.ports) ports.push_back({std::move(one.protocol), std::move(one.address), one.port, one.pid});
  co_return ports;
}

Task<Result<std::vector<ports::GuestProcess>>> GuestAgents::processes(std::string key) {
  SBX_CO_TRY(list,
             co_await ask_for<agent::ProcessList>(std::move(key), agent::Type::processes, "", options_.reply_limit));
  std::vector<ports::GuestProcess> processes;
  for (auto& one : list.processes) {
    ports::GuestProcess out;
    out.pid = one.pid;
    out.parent = one.parent;
    out.uid = one.uid;
    out.state = std::move(one.state);
    out.name = std::move(one.name);
    out.argv = std::move(one.argv);
    out.cpu_ns = static_cast<std::int64_t>(one.cpu_ns);
    out.resident_bytes = static_cast<std::int64_t>(one.resident_bytes);
    out.command = std::move(one.command);
    processes.push_back(std::move(out));
  }
  co_return processes;
}

}  // namespace sandboxd::guestlink
