#include "agent/proc.hpp"

#include "agent/system.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <dirent.h>
#include <map>

namespace sandboxd::agent {
namespace {

constexpr std::size_t kListBytesMax = kFrameBytesMax - 16 * 1024;
constexpr std::size_t kArgvBytesMax = 4096;         // of one process
constexpr std::size_t kDescriptorsMax = 64 * 1024;  // looked at for the owners of sockets
constexpr std::size_t kPortsMax = 4096;

std::string_view word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  return cut(line, ' ');
}

template <class T>
bool to_number(std::string_view text, int base, T& number) {
  std::uint64_t value = 0;
  if (text.empty() || text.size() > 19) return false;
  for (const char c : text) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                             : 99;
    if (digit >= base) return false;
    value = value * static_cast<std::uint64_t>(base) + static_cast<std::uint64_t>(digit);
  }
  number = static_cast<T>(value);
  return true;
}

// The kernel prints the address in words of its own byte order.
std::string address_text(std::string_view hex) {
  unsigned char bytes[16]{};
  const std::size_t size = hex.size() / 2;
  for (std::size_t word = 0; word * 8 < hex.size(); ++word) {
    std::uint32_t value = 0;
    if (!to_number(hex.substr(word * 8, 8), 16, value)) return {};
    std::memcpy(bytes + word * 4, &value, 4);
  }
  char text[INET6_ADDRSTRLEN]{};
  return ::inet_ntop(size == 4 ? AF_INET : AF_INET6, bytes, text, sizeof text) != nullptr ? text : "";
}

// The names of a directory that are numbers.
template <class Take>
void each_number(const std::string& folder, Take take) {
  DIR* const stream = ::opendir(folder.c_str());
  if (stream == nullptr) return;
  while (const dirent* const entry = ::readdir(stream)) {
    const auto number = parse_number(entry->d_name);
    if (number && !take(*number)) break;
  }
  ::closedir(stream);
}

using Owners = std::map<std::uint64_t, pid_t>;  // inode of a socket -> a process that has it open

void add_sockets(pid_t pid, Owners& owners, std::size_t& looked) {
  const std::string folder = "/proc/" + std::to_string(pid) + "/fd";
  each_number(folder, [&](std::uint32_t fd) {
    char target[64];
    const ssize_t size = ::readlink((folder + "/" + std::to_string(fd)).c_str(), target, sizeof target);
    std::string_view text(target, size > 0 ? static_cast<std::size_t>(size) : 0);
    std::uint64_t inode = 0;
    const std::string_view mark = "socket:[";
    if (text.substr(0, mark.size()) == mark) {
      text.remove_prefix(mark.size());
      if (to_number(cut(text, ']'), 10, inode)) owners.emplace(inode, pid);
    }
    return ++looked < kDescriptorsMax;
  });
}

// Real uid and gid.
Identity owner_of(const std::string& folder) {
  Identity owner;
  each_line(read_proc(folder + "/status"), [&](std::string_view line) {
    const std::string_view name = line.substr(0, 5);
    if (name != "Uid:\t" && name != "Gid:\t") return;
    line.remove_prefix(name.size());
    (name == "Uid:\t" ? owner.uid : owner.gid) = parse_number(cut(line, '\t')).value_or(0);
  });
  return owner;
}

// The descriptors of another user's process are looked at as that user: nobody else may, short of SYS_PTRACE.
Owners socket_owners(const Rights& own) {
  Owners owners;
  std::size_t looked = 0;
  for (const pid_t pid : all_pids()) {
    const Identity owner = owner_of("/proc/" + std::to_string(pid));
    if (owner.uid == own.uid) {
      add_sockets(pid, owners, looked);
      continue;
    }
    const ActAs as(own, owner);
    if (!as.problem()) add_sockets(pid, owners, looked);
  }
  return owners;
}

std::vector<std::string> argv_of(const std::string& folder) {
  std::vector<std::string> argv;
  const std::string text = read_proc(folder + "/cmdline", kArgvBytesMax);
  std::string_view rest = text;
  while (!rest.empty()) argv.emplace_back(cut(rest, '\0'));
  return argv;
}

}  // namespace

std::vector<Listening> parse_net(std::string_view text, const char* protocol) {
  std::vector<Listening> found;
  const std::string_view wanted = std::string_view(protocol) == "tcp" ? "0A" : "07";
  each_line(text, [&](std::string_view line) {
    word(line);
    std::string_view local = word(line);
    word(line);
    const std::string_view state = word(line);
    const std::string_view hex = cut(local, ':');
    Listening one;
    if (state != wanted || (hex.size() != 8 && hex.size() != 32) || found.size() >= kPortsMax) return;
    if (local.size() != 4 || !to_number(local, 16, one.port.port)) return;
    for (int i = 0; i < 5; ++i) word(line);
    static_cast<void>(to_number(word(line), 10, one.inode));
    one.port.protocol = protocol;
    one.port.address = address_text(hex);
    if (!one.port.address.empty() && one.port.port != 0) found.push_back(std::move(one));
  });
  return found;
}

bool parse_stat(std::string_view text, Process& process, std::int32_t& group) {
  const std::size_t open = text.find('(');
  const std::size_t close = text.rfind(')');  // the name may hold anything
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return false;
  process.name = std::string(text.substr(open + 1, close - open - 1));
  std::string_view rest = text.substr(close + 1);
  process.state = std::string(word(rest).substr(0, 1));
  std::uint64_t user = 0;
  std::uint64_t system = 0;
  std::uint64_t pages = 0;
  if (!to_number(word(rest), 10, process.parent) || !to_number(word(rest), 10, group)) return false;
  for (int i = 0; i < 8; ++i) word(rest);
  static_cast<void>(to_number(word(rest), 10, user) && to_number(word(rest), 10, system));
  for (int i = 0; i < 8; ++i) word(rest);
  static_cast<void>(to_number(word(rest), 10, pages));
  process.cpu_ns = (user + system) * (1'000'000'000ULL / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK)));
  process.resident_bytes = pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return true;
}

PortList listening_ports(const Rights& own) {
  std::vector<Listening> all;
  for (const auto& [file, protocol] : {std::pair{"tcp", "tcp"}, {"tcp6", "tcp"}, {"udp", "udp"}, {"udp6", "udp"}}) {
    for (Listening& one : parse_net(read_proc(std::string("/proc/net/") + file), protocol))
      all.push_back(std::move(one));
  }
  PortList list;
  const auto owners = all.empty() ? Owners() : socket_owners(own);
  for (Listening& one : all) {
    const auto owner = owners.find(one.inode);
    if (owner != owners.end() && one.inode != 0) one.port.pid = owner->second;
    if (list.ports.size() < kPortsMax) list.ports.push_back(std::move(one.port));
  }
  return list;
}

std::vector<pid_t> all_pids() {
  std::vector<pid_t> pids;
  each_number("/proc", [&](std::uint32_t pid) {
    pids.push_back(static_cast<pid_t>(pid));
    return pids.size() < kItemsMax;
  });
  return pids;
}

ProcessList running_processes(const std::function<std::string(pid_t)>& of_group) {
  ProcessList list;
  std::size_t bytes = 0;
  for (const pid_t pid : all_pids()) {
    const std::string folder = "/proc/" + std::to_string(pid);
    Process process;
    std::int32_t group = 0;
    if (!parse_stat(read_proc(folder + "/stat"), process, group)) continue;  // gone meanwhile
    process.pid = pid;
    process.uid = owner_of(folder).uid;
    process.argv = argv_of(folder);
    process.command = of_group(group);
    bytes += encode(process).size();
    if (bytes > kListBytesMax) break;
    list.processes.push_back(std::move(process));
  }
  return list;
}

}  // namespace sandboxd::agent
