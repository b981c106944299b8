#include "proc/host_facts.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sched.h>
#include <sstream>
#include <unistd.h>

namespace sandboxd::proc {
namespace {

std::optional<std::string> read_text(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::optional<std::int64_t> leading_number(std::string_view text) {
  const auto start = text.find_first_not_of(" \t");
  if (start == std::string_view::npos) return std::nullopt;
  std::int64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data() + start, text.data() + text.size(), number);
  if (failure != std::errc{} || number < 0) return std::nullopt;
  return number;
}

std::int64_t usable_cpus() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (::sched_getaffinity(0, sizeof mask, &mask) == 0) return CPU_COUNT(&mask);
  return std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN));  // more processors than cpu_set_t holds
}

}  // namespace

std::optional<std::int64_t> parse_mem_total(std::string_view meminfo) {
  constexpr std::string_view kKey = "MemTotal:";
  const auto at = meminfo.find(kKey);
  if (at == std::string_view::npos) return std::nullopt;
  const auto kib = leading_number(meminfo.substr(at + kKey.size()));
  if (!kib) return std::nullopt;
  return *kib * 1024;
}

std::vector<std::string> memory_limit_files(std::string_view cgroup_text) {
  std::vector<std::string> files;
  std::istringstream lines{std::string(cgroup_text)};
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':');
    const auto second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool unified = controllers == ",,";
    if (!unified && controllers.find(",memory,") == std::string::npos) continue;
    const std::string root = unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
    const std::string name = unified ? "/memory.max" : "/memory.limit_in_bytes";
    // A limit of any ancestor holds too.
    for (std::string path = line.substr(second + 1);;) {
      if (path == "/") path.clear();
      files.push_back(root + path + name);
      if (path.empty()) break;
      path.resize(std::min(path.rfind('/'), path.size()));
    }
  }
  return files;
}

std::optional<std::int64_t> parse_memory_limit(std::string_view text) {
  const auto bytes = leading_number(text);
  // cgroup v1 says "no limit" with the largest multiple of the page size.
  constexpr std::int64_t kUnlimited = std::int64_t{1} << 60;
  if (!bytes || *bytes == 0 || *bytes >= kUnlimited) return std::nullopt;
  return bytes;
}

Result<ports::HostFacts> read_host_facts() {
  const auto meminfo = read_text("/proc/meminfo");
  const auto total = meminfo ? parse_mem_total(*meminfo) : std::nullopt;
  if (!total) return Error(ErrorCode::internal, "/proc/meminfo: no MemTotal; is /proc mounted?");
  ports::HostFacts facts;
  facts.cpu_count = usable_cpus();
  facts.memory_bytes = *total;
  for (const std::string& file : memory_limit_files(read_text("/proc/self/cgroup").value_or(""))) {
    const auto text = read_text(file);
    const auto limit = text ? parse_memory_limit(*text) : std::nullopt;
    if (limit) facts.memory_bytes = std::min(facts.memory_bytes, *limit);
  }
  return facts;
}

}  // namespace sandboxd::proc
