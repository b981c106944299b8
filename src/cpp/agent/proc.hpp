// Processes and listening ports, as /proc tells them.
#pragma once

#include "agent/protocol.hpp"
#include "agent/users.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace sandboxd::agent {

// A line of /proc/net/{tcp,tcp6,udp,udp6} that waits for others, with the inode of its socket.
struct Listening {
  Port port;
  std::uint64_t inode = 0;
};
[[nodiscard]] std::vector<Listening> parse_net(std::string_view text, const char* protocol);
// /proc/PID/stat. False: it is none. `group` is the process group.
[[nodiscard]] bool parse_stat(std::string_view text, Process& process, std::int32_t& group);

// `own`: this program's.
[[nodiscard]] PortList listening_ports(const Rights& own);
// At most as many as fit a frame. `of_group` names the command that leads a process group.
[[nodiscard]] ProcessList running_processes(const std::function<std::string(pid_t)>& of_group);
[[nodiscard]] std::vector<pid_t> all_pids();

}  // namespace sandboxd::agent
