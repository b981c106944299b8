// Identifiers that cannot be mixed up: passing a NodeId where a SandboxId belongs does not compile.
#pragma once

#include <compare>
#include <functional>
#include <string>
#include <utility>

namespace sandboxd {

template <class Tag>
class Id {
 public:
  Id() = default;
  explicit Id(std::string value) : value_(std::move(value)) {}

  [[nodiscard]] const std::string& str() const { return value_; }
  [[nodiscard]] bool empty() const { return value_.empty(); }

  friend bool operator==(const Id&, const Id&) = default;
  friend auto operator<=>(const Id&, const Id&) = default;

 private:
  std::string value_;
};

using SandboxId = Id<struct SandboxTag>;
using NodeId = Id<struct NodeTag>;

}  // namespace sandboxd

template <class Tag>
struct std::hash<sandboxd::Id<Tag>> {
  std::size_t operator()(const sandboxd::Id<Tag>& id) const noexcept { return std::hash<std::string>{}(id.str()); }
};
