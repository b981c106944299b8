// Named network namespaces, in the form that `ip netns` uses: a bind mount in /run/netns. Blocking.
#pragma once

#include "base/result.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::network {

// Makes a namespace at `path`, whose folder is made a shared mount first, as `ip netns` does. Inside: `lo` is up, IPv6
// is off, and every user may bind low ports and send pings (as Docker has it: nothing inside belongs to anybody else).
// Works in a thread of its own; the caller's namespace does not change. already_exists when the name is taken.
[[nodiscard]] Result<void> make_namespace(const std::string& path);
// Runs `work` in the namespace at `path`, in a thread of its own; the caller's namespace does not change.
[[nodiscard]] Result<void> in_namespace(const std::string& path, const std::function<Result<void>()>& work);
// Unmounts and unlinks. Processes inside keep their namespace alive, nameless. Success also when there is none.
[[nodiscard]] Result<void> remove_namespace(const std::string& path);
// Unlinks a file that a crash left without its mount. CNI plugins take a path that does not exist for a namespace that
// is gone, but refuse to detach from one that is no namespace.
[[nodiscard]] Result<void> discard_unmounted(const std::string& path);
// Names in `dir` that are `prefix` and eight hexadecimal digits, in order. A missing folder is an empty one.
[[nodiscard]] Result<std::vector<std::string>> list_namespaces(const std::string& dir, std::string_view prefix);
[[nodiscard]] bool is_slot_name(std::string_view name, std::string_view prefix);

}  // namespace sandboxd::network
