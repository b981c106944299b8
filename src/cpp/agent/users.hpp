// The container's own users and groups, read from its files by hand, and taking on their rights.
#pragma once

#include "agent/protocol.hpp"
#include "agent/system.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxd::agent {

struct User {
  std::string name;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string home;
};
struct Group {
  std::string name;
  std::uint32_t gid = 0;
  std::vector<std::string> members;
};

// Lines that are none are left out, as are more than a million bytes.
[[nodiscard]] std::vector<User> parse_users(std::string_view text);
[[nodiscard]] std::vector<Group> parse_groups(std::string_view text);

// What the files say at the moment it is made.
class Names {
 public:
  Names();
  Names(std::vector<User> users, std::vector<Group> groups);
  [[nodiscard]] std::string user(std::uint32_t uid) const;   // empty: unknown
  [[nodiscard]] std::string group(std::uint32_t gid) const;  // empty: unknown
  [[nodiscard]] std::string home(std::uint32_t uid) const;   // "/" when unknown
  // "name", "uid", "name:group" or "uid:gid", with the capabilities of `usual`, which an empty one stands for.
  [[nodiscard]] Problem resolve(std::string_view user, const Identity& usual, Identity& found) const;

 private:
  std::vector<User> users_;
  std::vector<Group> groups_;
};

// What this program may do itself, asked once.
struct Rights {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> groups;
  std::uint64_t capabilities = 0;  // permitted
  std::uint64_t bounding = 0;
};
[[nodiscard]] Rights own_rights();
// Nothing, or why a process of that identity cannot be made.
[[nodiscard]] Problem may_become(const Rights& own, const Identity& identity);

// While it lives, this thread's file accesses are the identity's. Check problem() before any.
class ActAs {
 public:
  ActAs(const Rights& own, const Identity& identity);
  ActAs(const ActAs&) = delete;
  ActAs& operator=(const ActAs&) = delete;
  ~ActAs();
  [[nodiscard]] const Problem& problem() const { return problem_; }

 private:
  void take(const Identity& identity);
  const Rights& own_;
  Problem problem_;
};

// Both sets of the calling process and nothing inheritable. False: errno tells.
bool set_capabilities(std::uint64_t effective, std::uint64_t permitted);

}  // namespace sandboxd::agent
