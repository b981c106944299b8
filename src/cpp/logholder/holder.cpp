#include "logholder/holder.hpp"

#include "base/limits.hpp"
#include "logs/holder_protocol.hpp"
#include "model/spec.hpp"

#include <boost/json.hpp>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <set>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <vector>

namespace sandboxd::logholder {
namespace {

namespace json = boost::json;

constexpr std::size_t kClientsMax = 16;
constexpr std::int64_t kLogBytesMin = 4096;
constexpr int kEventsAtOnce = 64;

Error system_error(const std::string& what) { return errno_error(errno, what, ErrorCode::internal); }

Result<std::string> text_of(const json::object& command, const char* key) {
  const json::value* value = command.if_contains(key);
  if (value == nullptr || !value->is_string())
    return Error(ErrorCode::invalid_argument, std::string(key) + ": missing");
  return std::string(value->get_string());
}

// Only names that are one plain path segment get through.
Result<std::string> name_of(const json::object& command, const char* key, std::size_t length_max) {
  SBX_TRY(name, text_of(command, key));
  if (!model::is_valid_name(name, length_max))
    return Error(ErrorCode::invalid_argument, std::string(key) + ": invalid");
  return name;
}

Result<File> listen_on(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return Error(ErrorCode::invalid_argument, "socket path too long, choose a shorter run_dir: " + path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  File listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!listener.valid()) return system_error("socket");
  // The lock is ours, so a socket that is there belongs to nobody.
  ::unlink(path.c_str());
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): how the sockets API takes addresses
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return system_error("bind " + path);
  if (::chmod(path.c_str(), 0600) != 0) return system_error("chmod " + path);
  if (::listen(listener.get(), kClientsMax) != 0) return system_error("listen " + path);
  return listener;
}

}  // namespace

Result<std::unique_ptr<Holder>> Holder::make(HolderOptions options) {
  std::unique_ptr<Holder> holder(new Holder(std::move(options)));
  SBX_CHECK(holder->set_up());
  return holder;
}

Holder::~Holder() {
  for (auto& [key, log] : logs_) log.drain();
}

Result<void> Holder::set_up() {
  const std::string lock_path = logs::holder_lock(options_.run_dir);
  lock_ = File(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock_.valid()) return system_error("open " + lock_path);
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0)
    return Error(ErrorCode::conflict, "another log holder serves " + options_.run_dir);
  SBX_TRY(io, open_directory(AT_FDCWD, options_.run_dir + "/io", true));
  SBX_TRY(log, open_directory(AT_FDCWD, options_.data_dir + "/logs", true));
  io_directory_ = std::move(io);
  log_directory_ = std::move(log);
  epoll_ = File(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.valid()) return system_error("epoll_create1");

  sigset_t mask;
  ::sigemptyset(&mask);
  ::sigaddset(&mask, SIGTERM);
  ::sigaddset(&mask, SIGINT);
  ::sigprocmask(SIG_BLOCK, &mask, nullptr);
  std::signal(SIGPIPE, SIG_IGN);  // NOLINT(cert-err33-c)
  std::signal(SIGHUP, SIG_IGN);   // NOLINT(cert-err33-c)
  signals_ = File(::signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!signals_.valid()) return system_error("signalfd");
  SBX_CHECK(watch(signals_.get(), {Watched::Kind::signals, {}, 0}));
  SBX_TRY(listener, listen_on(logs::holder_socket(options_.run_dir)));
  listener_ = std::move(listener);
  return watch(listener_.get(), {Watched::Kind::listener, {}, 0});
}

Result<void> Holder::watch(int fd, Watched what) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return system_error("epoll_ctl");
  watched_[fd] = std::move(what);
  return {};
}

void Holder::run() {
  std::array<epoll_event, kEventsAtOnce> events{};
  while (!ending_) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), kEventsAtOnce, -1);
    for (int i = 0; i < count && !ending_; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      const auto found = watched_.find(event.data.fd);
      if (found == watched_.end()) continue;  // closed by an earlier event of this batch
      const Watched what = found->second;
      if (what.kind == Watched::Kind::fifo) {
        // One portion a turn: a container that prints without end does not starve the others.
        const auto log = logs_.find(what.log);
        if (log != logs_.end()) log->second.pump(what.stream);
      } else if (what.kind == Watched::Kind::client) {
        serve(event.data.fd, event.events);
      } else if (what.kind == Watched::Kind::listener) {
        accept_client();
      } else {
        ending_ = true;
      }
    }
  }
}

void Holder::accept_client() {
  File socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!socket.valid() || clients_.size() >= kClientsMax) return;
  const int fd = socket.get();
  if (!watch(fd, {Watched::Kind::client, {}, 0})) return;
  clients_[fd].socket = std::move(socket);
}

void Holder::close_client(int fd) {
  watched_.erase(fd);
  clients_.erase(fd);  // closing also takes it out of the epoll set
}

void Holder::serve(int fd, std::uint32_t events) {
  Client& client = clients_.at(fd);
  if ((events & EPOLLOUT) != 0 && !flush(client)) return close_client(fd);
  char buffer[16 * 1024];
  const ssize_t count = ::recv(fd, buffer, sizeof buffer, 0);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) return close_client(fd);
  client.input.append(buffer, static_cast<std::size_t>(count));
  for (std::size_t end = client.input.find('\n'); end != std::string::npos; end = client.input.find('\n')) {
    const std::string line = client.input.substr(0, end);
    client.input.erase(0, end + 1);
    client.output += json::serialize(answer(line)) + '\n';
  }
  if (client.input.size() > logs::kHolderLineBytesMax || !flush(client)) close_client(fd);
}

// Sends what can be sent; epoll tells when the rest may go.
bool Holder::flush(Client& client) {
  while (!client.output.empty()) {
    const ssize_t count = ::send(client.socket.get(), client.output.data(), client.output.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno != EAGAIN) return false;
    if (count < 0) break;
    client.output.erase(0, static_cast<std::size_t>(count));
  }
  epoll_event event{};
  event.events = client.output.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT;
  event.data.fd = client.socket.get();
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, client.socket.get(), &event) == 0;
}

json::object Holder::answer(const std::string& line) {
  boost::system::error_code parse_error;
  const json::value command = json::parse(line, parse_error);
  Result<json::object> result = Error(ErrorCode::invalid_argument, "a command is one JSON object on a line");
  if (!parse_error && command.is_object()) result = execute(command.get_object());
  if (!result) return {{"ok", false}, {"error", result.error().message()}};
  json::object out = *std::move(result);
  out["ok"] = true;
  return out;
}

Result<json::object> Holder::execute(const json::object& command) {
  SBX_TRY(op, text_of(command, "op"));
  if (op == "ping") return json::object{{"version", logs::kHolderVersion}, {"pid", ::getpid()}};
  if (op == "list") return list_logs();
  if (op == "shutdown") {
    ending_ = true;
    return json::object{};
  }
  SBX_TRY(sandbox, name_of(command, "sandbox", limits::kSandboxIdLengthMax));
  if (op == "remove") {
    SBX_CHECK(remove_logs(sandbox));
    return json::object{};
  }
  SBX_TRY(container, name_of(command, "container", limits::kNameLengthMax));
  if (op == "drain") {
    const auto log = logs_.find({sandbox, container});
    if (log != logs_.end()) log->second.drain();
    return json::object{};
  }
  if (op != "open") return Error(ErrorCode::invalid_argument, "unknown command: " + op);
  const json::value* bytes = command.if_contains("bytes_max");
  if (bytes == nullptr || !bytes->is_int64() || bytes->get_int64() < kLogBytesMin)
    return Error(ErrorCode::invalid_argument, "bytes_max: must be at least " + std::to_string(kLogBytesMin));
  return open_log(sandbox, container, bytes->get_int64());
}

Result<json::object> Holder::open_log(const std::string& sandbox, const std::string& container,
                                      std::int64_t bytes_max) {
  const std::string fifo = options_.run_dir + "/io/" + sandbox + "/" + container;
  const json::object paths{{"stdout", fifo + ".out"}, {"stderr", fifo + ".err"}};
  const LogKey key{sandbox, container};
  if (const auto known = logs_.find(key); known != logs_.end()) {
    known->second.set_bytes_max(bytes_max);
    return paths;
  }
  SBX_TRY(io, open_directory(io_directory_.get(), sandbox, true));
  SBX_TRY(files, open_directory(log_directory_.get(), sandbox, true));
  SBX_TRY(opened, ContainerLog::open(io.get(), files.get(), container, bytes_max));
  const ContainerLog& log = logs_.emplace(key, std::move(opened)).first->second;
  for (std::size_t stream = 0; stream < ContainerLog::kStreams; ++stream)
    SBX_CHECK(watch(log.fifo(stream), {Watched::Kind::fifo, key, stream}));
  return paths;
}

Result<void> Holder::remove_logs(const std::string& sandbox) {
  for (auto log = logs_.lower_bound({sandbox, ""}); log != logs_.end() && log->first.first == sandbox;) {
    for (std::size_t stream = 0; stream < ContainerLog::kStreams; ++stream) watched_.erase(log->second.fifo(stream));
    log = logs_.erase(log);
  }
  SBX_CHECK(remove_directory(io_directory_.get(), sandbox));
  return remove_directory(log_directory_.get(), sandbox);
}

json::object Holder::list_logs() const {
  std::set<std::string> names;
  for (const File* directory : {&io_directory_, &log_directory_}) {
    for (std::string& name : entries_of(directory->get())) names.insert(std::move(name));
  }
  json::array sandboxes;
  for (const std::string& name : names) sandboxes.emplace_back(name);
  return {{"sandboxes", std::move(sandboxes)}};
}

}  // namespace sandboxd::logholder
