// Who a request about files acts as, and the few that are answered at once.
#pragma once

#include "agent/files/access.hpp"
#include "agent/loop.hpp"
#include "agent/protocol.hpp"
#include "agent/session.hpp"
#include "agent/users.hpp"

#include <memory>
#include <string>

namespace sandboxd::agent {

// A request's user and path, found out once. A call keeps it.
struct Acting {
  const Rights* own = nullptr;
  Identity identity;
  Names names;
  std::string asked;
  std::string path;  // absolute
};

class Files {
 public:
  Files(const Setup& setup, const Rights& own, Loop& loop) : setup_(setup), own_(own), loop_(loop) {}

  // False: the payload is no such message, or the type none about files.
  [[nodiscard]] bool open(Type type, std::string_view payload, Channel& channel);

 private:
  [[nodiscard]] Problem prepare(const std::string& path, const std::string& user, Acting& acting) const;
  void stat(const Path& request, Channel& channel) const;
  void read(const Read& request, Channel& channel) const;
  void write(const Write& request, Channel& channel) const;
  void list(const Path& request, Channel& channel) const;
  void mkdir(const Write& request, Channel& channel) const;
  void remove(const Remove& request, Channel& channel) const;
  void rename(const Rename& request, Channel& channel) const;
  void watch(const Watch& request, Channel& channel) const;
  void pack(const Path& request, Channel& channel) const;
  void unpack(const Write& request, Channel& channel) const;
  template <class T>
  [[nodiscard]] bool pass(void (Files::*handler)(const T&, Channel&) const, std::string_view payload,
                          Channel& channel) const;

  const Setup& setup_;
  const Rights& own_;
  Loop& loop_;
};

}  // namespace sandboxd::agent
