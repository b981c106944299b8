#include "agent/files/acting.hpp"

#include "agent/files/list.hpp"
#include "agent/files/pack.hpp"
#include "agent/files/read.hpp"
#include "agent/files/remove.hpp"
#include "agent/files/unpack.hpp"
#include "agent/files/watch.hpp"
#include "agent/files/write.hpp"

namespace sandboxd::agent {

Problem Files::prepare(const std::string& path, const std::string& user, Acting& acting) const {
  acting.own = &own_;
  acting.asked = path;
  if (Problem wrong = acting.names.resolve(user, setup_.identity, acting.identity)) return wrong;
  return place(path, setup_.cwd, acting.path);
}

template <class T>
bool Files::pass(void (Files::*handler)(const T&, Channel&) const, std::string_view payload, Channel& channel) const {
  const auto request = decode<T>(payload);
  if (request) (this->*handler)(*request, channel);
  return request.has_value();
}

bool Files::open(Type type, std::string_view payload, Channel& channel) {
  switch (type) {
    case Type::stat: return pass(&Files::stat, payload, channel);
    case Type::read: return pass(&Files::read, payload, channel);
    case Type::write: return pass(&Files::write, payload, channel);
    case Type::list: return pass(&Files::list, payload, channel);
    case Type::mkdir: return pass(&Files::mkdir, payload, channel);
    case Type::remove: return pass(&Files::remove, payload, channel);
    case Type::rename: return pass(&Files::rename, payload, channel);
    case Type::watch: return pass(&Files::watch, payload, channel);
    case Type::pack: return pass(&Files::pack, payload, channel);
    case Type::unpack: return pass(&Files::unpack, payload, channel);
    default: return false;
  }
}

void Files::stat(const Path& request, Channel& channel) const {
  Acting acting;
  if (const Problem wrong = prepare(request.path, request.user, acting)) return channel.fail(wrong);
  const ActAs as(own_, acting.identity);
  if (as.problem()) return channel.fail(as.problem());
  FileStatus found;
  if (const Problem failed = look(acting.path, acting.asked, request.follow, acting.names, found)) {
    return channel.fail(failed);
  }
  channel.reply(found);
}

void Files::read(const Read& request, Channel& channel) const {
  Acting acting;
  if (const Problem wrong = prepare(request.path, request.user, acting)) return channel.fail(wrong);
  ReadCall::open(acting, request, channel);
}

void Files::write(const Write& request, Channel& channel) const {
  Acting acting;
  if (const Problem wrong = prepare(request.path, request.user, acting)) return channel.fail(wrong);
  if (request.path.back() == '/') return channel.fail(problem(EISDIR, "open " + request.path));
  WriteCall::open(acting, request, channel);
}

void Files::list(const Path& request, Channel& channel) const {
  Acting acting;
  if (const Problem wrong = prepare(request.path, request.user, acting)) return channel.fail(wrong);
  ListCall::open(acting, request, channel);
}

void Files::mkdir(const Write& request, Channel& channel) const {
  Acting acting;
  if (const Problem wrong = prepare(request.path, request.user, acting)) return channel.fail(wrong);
  const ActAs as(own_, acting.identity);
  if (as.problem()) return channel.fail(as.problem());
  if (request.parents) {
    if (const Problem failed = make_folders(folder_of(acting.path), 0755)) return channel.fail(failed);
  }
  const mode_t mode = (request.mode & 07777U) != 0 ? request.mode & 07777U : 0755U;
  struct stat status{};
  if (::mkdir(acting.path.c_str(), mode) == 0) {
    ::chmod(acting.path.c_str(), mode);  // whatever the umask
  } else {
    const int error = errno;
    const bool is_there = ::stat(acting.path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
    if (!is_there) return channel.fail(problem(error, "mkdir " + acting.asked));
  }
  FileStatus found;
  if (const Problem failed = look(acting.path, acting.asked, true, acting.names, found)) return channel.fail(failed);
  channel.reply(found);
}

void Files::remove(const Remove& request, Channel& channel) const {
  Acting acting;
  if (const Problem wrong = prepare(request.path, request.user, acting)) return channel.fail(wrong);
  if (request.recursive) return RemoveCall::open(acting, channel);
  const ActAs as(own_, acting.identity);
  if (as.problem()) return channel.fail(as.problem());
  struct stat status{};
  int done = ::lstat(acting.path.c_str(), &status);
  if (done == 0) done = S_ISDIR(status.st_mode) ? ::rmdir(acting.path.c_str()) : ::unlink(acting.path.c_str());
  if (done != 0) return channel.fail(problem(errno, "remove " + acting.asked));
  channel.reply(Empty{});
}

void Files::rename(const Rename& request, Channel& channel) const {
  Acting acting;
  if (const Problem wrong = prepare(request.from, request.user, acting)) return channel.fail(wrong);
  std::string to;
  if (const Problem wrong = place(request.to, setup_.cwd, to)) return channel.fail(wrong);
  const ActAs as(own_, acting.identity);
  if (as.problem()) return channel.fail(as.problem());
  if (::rename(acting.path.c_str(), to.c_str()) != 0) {
    return channel.fail(problem(errno, "rename " + request.from + " to " + request.to));
  }
  FileStatus found;
  if (const Problem failed = look(to, request.to, false, acting.names, found)) return channel.fail(failed);
  channel.reply(found);
}

void Files::watch(const Watch& request, Channel& channel) const {
  Acting acting;
  if (const Problem wrong = prepare(request.path, request.user, acting)) return channel.fail(wrong);
  WatchCall::open(acting, request, loop_, channel);
}
void Files::pack(const Path& request, Channel& channel) const {
  Acting acting;
  if (const Problem wrong = prepare(request.path, request.user, acting)) return channel.fail(wrong);
  PackCall::open(acting, channel);
}

void Files::unpack(const Write& request, Channel& channel) const {
  Acting acting;
  if (const Problem wrong = prepare(request.path, request.user, acting)) return channel.fail(wrong);
  UnpackCall::open(acting, request, channel);
}

}  // namespace sandboxd::agent
