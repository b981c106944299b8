#include "containerd/capabilities.hpp"

#include "model/capabilities.hpp"

#include <algorithm>
#include <array>
#include <bitset>
#include <cctype>
#include <string_view>

namespace sandboxd::containerd {

namespace {

// In the kernel's order (linux/capability.h), up to Linux 5.9's last.
constexpr std::array<std::string_view, 41> kAll = {"CHOWN",
                                                   "DAC_OVERRIDE",
                                                   "DAC_READ_SEARCH",
                                                   "FOWNER",
                                                   "FSETID",
                                                   "KILL",
                                                   "SETGID",
                                                   "SETUID",
                                                   "SETPCAP",
                                                   "LINUX_IMMUTABLE",
                                                   "NET_BIND_SERVICE",
                                                   "NET_BROADCAST",
                                                   "NET_ADMIN",
                                                   "NET_RAW",
                                                   "IPC_LOCK",
                                                   "IPC_OWNER",
                                                   "SYS_MODULE",
                                                   "SYS_RAWIO",
                                                   "SYS_CHROOT",
                                                   "SYS_PTRACE",
                                                   "SYS_PACCT",
                                                   "SYS_ADMIN",
                                                   "SYS_BOOT",
                                                   "SYS_NICE",
                                                   "SYS_RESOURCE",
                                                   "SYS_TIME",
                                                   "SYS_TTY_CONFIG",
                                                   "MKNOD",
                                                   "LEASE",
                                                   "AUDIT_WRITE",
                                                   "AUDIT_CONTROL",
                                                   "SETFCAP",
                                                   "MAC_OVERRIDE",
                                                   "MAC_ADMIN",
                                                   "SYSLOG",
                                                   "WAKE_ALARM",
                                                   "BLOCK_SUSPEND",
                                                   "AUDIT_READ",
                                                   "PERFMON",
                                                   "BPF",
                                                   "CHECKPOINT_RESTORE"};

using Set = std::bitset<kAll.size()>;

// None for a name that no kernel knows.
Set parse(const std::string& name) {
  std::string upper = name;
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  std::string_view plain = upper;
  if (plain.starts_with("CAP_")) plain.remove_prefix(4);
  Set set;
  if (plain == "ALL") return set.set();
  const auto at = std::find(kAll.begin(), kAll.end(), plain);
  if (at != kAll.end()) set.set(static_cast<std::size_t>(at - kAll.begin()));
  return set;
}

}  // namespace

std::uint64_t capability_mask(const std::vector<std::string>& add, const std::vector<std::string>& drop) {
  Set set;
  for (const std::string_view name : model::kDefaultCapabilities) set |= parse(std::string(name));
  for (const std::string& name : drop) set &= ~parse(name);
  for (const std::string& name : add) set |= parse(name);
  return set.to_ullong();
}

std::vector<std::string> capability_names(std::uint64_t mask) {
  const Set set(mask);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kAll.size(); ++i) {
    if (set.test(i)) names.push_back("CAP_" + std::string(kAll[i]));
  }
  return names;
}

std::vector<std::string> effective_capabilities(const std::vector<std::string>& add,
                                                const std::vector<std::string>& drop) {
  return capability_names(capability_mask(add, drop));
}

}  // namespace sandboxd::containerd
