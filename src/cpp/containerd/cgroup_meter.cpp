#include "containerd/cgroup_meter.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <limits>
#include <string_view>
#include <unistd.h>
#include <utility>

namespace sandboxd::containerd {

namespace {

// Version 1 writes "no limit" as the largest page-aligned number.
constexpr std::int64_t kNoLimitFrom = std::numeric_limits<std::int64_t>::max() / 2;

// nullopt: there is no such file, or its group went away meanwhile.
Result<std::optional<std::string>> read_file(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0 && (errno == ENOENT || errno == ENOTDIR)) return std::optional<std::string>();
  if (file < 0) return errno_error(errno, "open " + path);
  std::string text(64 * 1024, '\0');
  const ssize_t count = ::read(file, text.data(), text.size());
  const int failure = errno;
  close(file);
  if (count < 0 && failure == ENODEV) return std::optional<std::string>();
  if (count < 0) return errno_error(failure, "read " + path, ErrorCode::storage_failed);
  text.resize(static_cast<std::size_t>(count));
  return std::optional(std::move(text));
}

// "max", and what is no number, count as nothing.
std::int64_t number_of(std::string_view text) {
  std::int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  return parsed.ec == std::errc() && value < kNoLimitFrom ? value : 0;
}

// The number behind "<name> " at the beginning of a line.
std::int64_t field_of(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ' ')
      return number_of(line.substr(name.size() + 1));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return 0;
}

Result<std::string> text_of(const std::string& path) {
  SBX_TRY(text, read_file(path));
  return std::move(text).value_or(std::string());
}

// The group's directory in the hierarchy of a controller of version 1, with the '/' behind it.
Result<std::optional<std::string>> find_v1(const std::string& hierarchies, const std::string& group,
                                           const std::vector<std::string>& controllers, const char* file) {
  for (const std::string& controller : controllers) {
    const std::string folder = hierarchies + "/" + controller + group + "/";
    SBX_TRY(text, read_file(folder + file));
    if (text) return std::optional(folder);
  }
  return std::optional<std::string>();
}

Result<std::optional<ports::MeteredUsage>> read_v2(const std::string& folder) {
  SBX_TRY(cpu, read_file(folder + "cpu.stat"));
  if (!cpu) return std::optional<ports::MeteredUsage>();
  ports::MeteredUsage usage;
  usage.cpu_nanos = field_of(*cpu, "usage_usec") * 1000;
  SBX_TRY(memory, text_of(folder + "memory.current"));
  SBX_TRY(statistics, text_of(folder + "memory.stat"));
  usage.memory_bytes = std::max<std::int64_t>(0, number_of(memory) - field_of(statistics, "inactive_file"));
  SBX_TRY(limit, text_of(folder + "memory.max"));
  usage.memory_limit_bytes = number_of(limit);
  SBX_TRY(pids, text_of(folder + "pids.current"));
  usage.pids = number_of(pids);
  return std::optional(usage);
}

Result<std::optional<ports::MeteredUsage>> read_v1(const std::string& hierarchies, const std::string& group) {
  ports::MeteredUsage usage;
  bool is_there = false;
  SBX_TRY(cpu, find_v1(hierarchies, group, {"cpuacct", "cpu,cpuacct"}, "cpuacct.usage"));
  if (cpu) {
    SBX_TRY(nanos, text_of(*cpu + "cpuacct.usage"));
    usage.cpu_nanos = number_of(nanos);
    is_there = true;
  }
  SBX_TRY(memory, find_v1(hierarchies, group, {"memory"}, "memory.usage_in_bytes"));
  if (memory) {
    SBX_TRY(used, text_of(*memory + "memory.usage_in_bytes"));
    SBX_TRY(statistics, text_of(*memory + "memory.stat"));
    usage.memory_bytes = std::max<std::int64_t>(0, number_of(used) - field_of(statistics, "total_inactive_file"));
    SBX_TRY(limit, text_of(*memory + "memory.limit_in_bytes"));
    usage.memory_limit_bytes = number_of(limit);
    is_there = true;
  }
  SBX_TRY(pids, find_v1(hierarchies, group, {"pids"}, "pids.current"));
  if (pids) {
    SBX_TRY(count, text_of(*pids + "pids.current"));
    usage.pids = number_of(count);
    is_there = true;
  }
  return is_there ? std::optional(usage) : std::nullopt;
}

Result<std::map<std::string, ports::MeteredUsage>> read_all(const std::string& parent,
                                                            const std::vector<std::string>& keys) {
  std::map<std::string, ports::MeteredUsage> out;
  for (const std::string& key : keys) {
    SBX_TRY(usage, read_cgroup(parent + "/" + key));
    if (usage) out.emplace(key, *usage);
  }
  return out;
}

}  // namespace

Result<std::optional<ports::MeteredUsage>> read_cgroup(const std::string& group, const std::string& hierarchies) {
  SBX_TRY(unified, read_v2(hierarchies + group + "/"));
  if (unified) return unified;
  return read_v1(hierarchies, group);
}

Task<Result<std::map<std::string, ports::MeteredUsage>>> CgroupMeter::read(std::vector<std::string> keys) {
  const std::string parent = parent_;
  co_return co_await files_.run([parent, keys] { return read_all(parent, keys); });
}

}  // namespace sandboxd::containerd
