#include "agent/host.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <sched.h>
#include <sstream>
#include <stdexcept>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sandboxd::test {

using agent::Type;

namespace {

std::string slurp(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace

agent::Setup AgentHost::holding() {
  agent::Setup setup;
  setup.env = {"PATH=/usr/local/bin:/usr/bin:/bin"};
  setup.identity.uid = ::getuid();
  setup.identity.gid = ::getgid();
  setup.identity.groups.resize(static_cast<std::size_t>(::getgroups(0, nullptr)));
  ::getgroups(static_cast<int>(setup.identity.groups.size()), setup.identity.groups.data());
  setup.identity.capabilities = 0xA80425FB;  // a container's usual ones
  return setup;
}

AgentHost::AgentHost(const agent::Setup& setup, bool as_init, bool listens) {
  std::filesystem::permissions(path(), std::filesystem::perms(0755));
  std::ofstream(path() + "/" + agent::kSetupName) << agent::encode(setup);
  if (listens) listen();
  spawn(as_init);
}

AgentHost::~AgentHost() {
  if (fd_ >= 0) ::close(fd_);
  if (listener_ >= 0) ::close(listener_);
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    wait();
  }
}

void AgentHost::listen() {
  const std::string name = path() + "/" + agent::kSocketName;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, name.c_str(), name.size() + 1);
  ::unlink(name.c_str());
  listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(listener_, 4) != 0) {
    throw std::runtime_error("cannot listen on " + name + ": " + std::strerror(errno));
  }
}

// Its output goes to a file, as a container's does.
void AgentHost::spawn(bool as_init) {
  const std::string output = path() + "/output";
  pid_ = ::fork();
  if (pid_ != 0) return;
  const int out = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  ::dup2(out, 1);
  ::dup2(out, 2);
  if (as_init) {
    if (::unshare(CLONE_NEWPID | CLONE_NEWNS) != 0) ::_exit(99);
    const pid_t child = ::fork();
    if (child != 0) {  // passes signals of the test on by being the one that waits
      static pid_t target = child;
      for (const int one : {SIGTERM, SIGINT, SIGUSR1, SIGHUP})
        ::signal(one, [](int number) { ::kill(target, number); });
      int status = 0;
      while (::waitpid(child, &status, 0) < 0) {
      }
      ::_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // whoever ends the one that waits ends this too
    ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    ::mount("proc", "/proc", "proc", 0, nullptr);
  }
  ::execl(SANDBOXD_AGENT, "sandboxd-agent", path().c_str(), nullptr);
  ::_exit(98);
}

bool AgentHost::wait_readable(int fd, int milliseconds) const {
  pollfd one{fd, POLLIN, 0};
  return ::poll(&one, 1, milliseconds) > 0;
}

agent::Hello AgentHost::accept() {
  if (!wait_readable(listener_, 20'000)) throw std::runtime_error("the agent does not connect; it said: " + output());
  fd_ = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  in_.clear();
  kept_.clear();
  const Frame first = next();
  if (first.type != Type::hello || first.call != 0) throw std::runtime_error("the first frame is no hello");
  return agent::decode<agent::Hello>(first.payload).value();
}

void AgentHost::drop() {
  ::close(fd_);
  fd_ = -1;
}

bool AgentHost::is_closed() {
  char bytes[4096];
  while (wait_readable(fd_, 20'000)) {
    if (::read(fd_, bytes, sizeof bytes) <= 0) return true;
  }
  return false;
}

void AgentHost::send(Type type, std::uint32_t call, std::string_view payload) {
  send_raw(agent::encode_frame(type, call, payload));
}

void AgentHost::send_raw(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) throw std::runtime_error("the agent has closed the connection");
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

Frame AgentHost::next(int seconds) {
  while (true) {
    if (in_.size() >= agent::kHeaderBytes) {
      const auto header = agent::decode_header(in_);
      if (!header) throw std::runtime_error("the agent sent a wrong header");
      const std::size_t size = agent::kHeaderBytes + header->length;
      if (in_.size() >= size) {
        Frame frame{header->type, header->call, in_.substr(agent::kHeaderBytes, header->length)};
        in_.erase(0, size);
        return frame;
      }
    }
    if (!wait_readable(fd_, seconds * 1000)) throw std::runtime_error("the agent says nothing");
    char bytes[128 * 1024];
    const ssize_t n = ::read(fd_, bytes, sizeof bytes);
    if (n <= 0) throw std::runtime_error("the agent has closed the connection; it said: " + output());
    in_.append(bytes, static_cast<std::size_t>(n));
  }
}

bool AgentHost::is_silent(int milliseconds) { return in_.empty() && !wait_readable(fd_, milliseconds); }

Answered AgentHost::finish(std::uint32_t call) {
  Answered answered;
  std::deque<Frame> earlier = std::exchange(kept_, {});
  while (true) {
    Frame frame;
    if (earlier.empty()) {
      frame = next();
    } else {
      frame = earlier.front();
      earlier.pop_front();
    }
    if (frame.type == Type::exited) {
      const auto event = agent::decode<agent::Exited>(frame.payload).value();
      exited_[event.command] = event;
    } else if (frame.call != call) {
      kept_.push_back(std::move(frame));
    } else if (frame.type == Type::data) {
      // It may have said its last and be gone.
      const agent::Credit credit{static_cast<std::uint32_t>(frame.payload.size())};
      const std::string grant = agent::encode_frame(Type::credit, call, agent::encode(credit));
      static_cast<void>(::send(fd_, grant.data(), grant.size(), MSG_NOSIGNAL));
      answered.data += frame.payload;
      answered.pieces.push_back(std::move(frame.payload));
    } else if (frame.type == Type::eof) {
      answered.was_eof = true;
    } else if (frame.type == Type::cancel) {
      answered.was_cancelled = true;
    } else if (frame.type == Type::failed || frame.type == Type::reply) {
      if (frame.type == Type::failed) answered.failed = agent::decode<agent::Failed>(frame.payload).value();
      answered.payload = std::move(frame.payload);
      kept_.insert(kept_.end(), earlier.begin(), earlier.end());
      return answered;
    }
  }
}

agent::Exited AgentHost::exited(const std::string& command) {
  while (exited_.count(command) == 0) {
    const Frame frame = next();
    if (frame.type == Type::exited) {
      const auto event = agent::decode<agent::Exited>(frame.payload).value();
      exited_[event.command] = event;
    } else {
      kept_.push_back(frame);
    }
  }
  return exited_[command];
}

agent::Start AgentHost::command(std::vector<std::string> argv) {
  agent::Start start;
  start.argv = std::move(argv);
  return start;
}

Outputs AgentHost::run(agent::Start start) {
  if (start.command.empty()) start.command = "run-" + std::to_string(++last_id_);
  const Answered started = ask(Type::start, start);
  if (started.failed) throw std::runtime_error("start failed: " + started.failed->text);
  agent::Attach attach;
  attach.command = start.command;
  attach.consume = true;
  const Answered attached = ask(Type::attach, attach);
  if (attached.failed) throw std::runtime_error("attach failed: " + attached.failed->text);
  Outputs outputs;
  outputs.ended = attached.as<agent::Ended>();
  for (const std::string& piece : attached.pieces) {
    const auto chunk = agent::decode<agent::Chunk>(piece).value();
    (chunk.output == agent::Output::out ? outputs.out : outputs.err) += chunk.bytes;
  }
  return outputs;
}

void AgentHost::kill(int signal) const { ::kill(pid_, signal); }

int AgentHost::wait() {
  int status = 0;
  if (::waitpid(pid_, &status, 0) < 0) return -1;
  pid_ = 0;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

std::string AgentHost::output() const { return slurp(path() + "/output"); }

std::size_t AgentHost::descriptors() const {
  const auto folder = std::filesystem::directory_iterator("/proc/" + std::to_string(pid_) + "/fd");
  return static_cast<std::size_t>(std::distance(folder, std::filesystem::directory_iterator()));
}

}  // namespace sandboxd::test
