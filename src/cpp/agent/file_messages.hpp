// The messages of protocol.hpp about files, ports and processes.
#pragma once

#include "agent/encoding.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace sandboxd::agent {

// Paths: bytes without NUL. Relative ones are below Setup::cwd. `user` as in Start.
struct Path {
  std::string path;
  std::string user;
  bool follow = true;       // a last symbolic link
  std::uint32_t depth = 1;  // of a list: 1 is the directory's own entries
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.path)(m.user)(m.follow)(m.depth);
  }
};

struct Read {
  std::string path;
  std::string user;
  std::uint64_t offset = 0;
  std::uint64_t length = UINT64_MAX;
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.path)(m.user)(m.offset)(m.length);
  }
};

// The bytes go to a new file beside it, which replaces it at the end: nobody sees half of it, and a call that is
// cancelled or fails leaves what was there.
struct Write {
  std::string path;
  std::string user;
  std::uint32_t mode = 0;  // permission bits; 0: those of the file that it replaces, else 0644 (0755 for mkdir)
  bool parents = false;
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.path)(m.user)(m.mode)(m.parents);
  }
};

struct Remove {
  std::string path;
  std::string user;
  bool recursive = false;
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.path)(m.user)(m.recursive);
  }
};

struct Rename {
  std::string from;
  std::string to;
  std::string user;
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.from)(m.to)(m.user);
  }
};

struct FileStatus {
  std::string path;        // as asked; of a list: the entry's path below the asked one
  std::uint32_t mode = 0;  // with the type bits of st_mode
  std::uint64_t size = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::int64_t modified_ns = 0;
  std::uint64_t links = 0;
  std::string target;  // of a symbolic link
  std::string owner;   // names, where the image's own files tell them
  std::string group;
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.path)(m.mode)(m.size)(m.uid)(m.gid)(m.modified_ns)(m.links)(m.target)(m.owner)(m.group);
  }
};

struct FileList {
  std::vector<FileStatus> entries;
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.entries);
  }
};

struct Watch {
  std::string path;
  std::string user;
  bool recursive = false;
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.path)(m.user)(m.recursive);
  }
};

enum class Change : std::uint8_t { created = 1, written, removed, renamed, attributes, overflow };

struct FileEvent {
  Change change{};
  std::string path;
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.change)(m.path);
  }
};

struct Port {
  std::string protocol;  // "tcp", "udp"
  std::string address;   // as text: "0.0.0.0", "::"
  std::uint16_t port = 0;
  std::int32_t pid = 0;  // 0: unknown
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.protocol)(m.address)(m.port)(m.pid);
  }
};

struct PortList {
  std::vector<Port> ports;
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.ports);
  }
};

struct Process {
  std::int32_t pid = 0;
  std::int32_t parent = 0;
  std::uint32_t uid = 0;
  std::string state;  // one letter, as in /proc
  std::string name;
  std::vector<std::string> argv;
  std::uint64_t cpu_ns = 0;
  std::uint64_t resident_bytes = 0;
  std::string command;  // whose group it is in; empty: none
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.pid)(m.parent)(m.uid)(m.state)(m.name)(m.argv)(m.cpu_ns)(m.resident_bytes)(m.command);
  }
};

struct ProcessList {
  std::vector<Process> processes;
  std::int64_t active_ns = 0;  // Unix time of the last request but ping, or output of a terminal
  template <class M, class V>
  static void each(M& m, V& v) {
    v(m.processes)(m.active_ns);
  }
};

}  // namespace sandboxd::agent
