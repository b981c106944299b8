// A set of nodes in the order in which to look at them: the most promising first, without those that are far too full.
//
// Nodes lie in cells. A cell is a promise (0 to 100) and a shelf: coarse steps of free CPU and free memory, and whether
// a host port is free. A request names the shelves on which it may fit, and a walk skips the others with one AND for
// each promise; what a walk visits must still be checked. Moving a node is constant time and allocates nothing. A small
// set has no cells and is walked whole.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <vector>

namespace sandboxd::sched {

using Slot = std::uint32_t;     // of a node
using Shelves = std::uint64_t;  // a set of shelves
using Cell = std::int32_t;      // kNoCell: not a candidate
inline constexpr Cell kNoCell = -1;

// The shelf of a node with so much left. Negative amounts count as nothing.
[[nodiscard]] int shelf_of(std::int64_t cpu_milli, std::int64_t memory_bytes, bool has_port);
// The shelves whose nodes may have so much.
[[nodiscard]] Shelves shelves_for(std::int64_t cpu_milli, std::int64_t memory_bytes, bool needs_port);
[[nodiscard]] Cell cell_of(int promise, int shelf);

class ScoreIndex {
 public:
  using Member = std::uint32_t;

  // The number by which the node is moved and removed.
  Member add(Slot slot, Cell cell);
  void move(Member member, Cell cell);
  void remove(Member member);
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool is_ordered() const { return !cells_.empty(); }

  // Calls visit(slot) until it returns false, in falling order of promise; first come, first visited within a cell. In
  // a small set the order is that of joining.
  template <class Visit>
  void walk(Shelves shelves, Visit visit) const {
    if (cells_.empty()) return walk_small(shelves, visit);
    const Cells& cells = cells_.front();
    for (int promise = kPromises - 1; promise >= 0; --promise) {
      Shelves rest = cells.used[static_cast<std::size_t>(promise)] & shelves;
      while (rest != 0) {
        const int shelf = kShelves - 1 - std::countl_zero(rest);
        rest &= ~(Shelves{1} << shelf);
        const Member first = cells.first[static_cast<std::size_t>(cell_of(promise, shelf))];
        Member at = first;
        do {
          if (!visit(members_[at].slot)) return;
          at = members_[at].next;
        } while (at != first);
      }
    }
  }

 private:
  static constexpr int kPromises = 101;
  static constexpr int kShelves = 64;
  static constexpr std::size_t kSmall = 32;  // from twice this on there are cells; below this there are none
  static constexpr Member kNobody = UINT32_MAX;

  struct Link {
    Slot slot = 0;
    Cell cell = kNoCell;
    bool is_member = false;
    Member previous = kNobody;  // a ring in each cell
    Member next = kNobody;
  };
  struct Cells {
    std::array<Shelves, kPromises> used{};
    std::array<Member, static_cast<std::size_t>(kPromises) * kShelves> first{};
  };

  template <class Visit>
  void walk_small(Shelves shelves, Visit& visit) const {
    for (const Link& link : members_) {
      if (!link.is_member || link.cell == kNoCell || (shelves >> (link.cell % kShelves) & 1) == 0) continue;
      if (!visit(link.slot)) return;
    }
  }
  void link(Member member);
  void unlink(Member member);
  void make_cells();

  std::vector<Link> members_;
  std::vector<Member> unused_;
  std::size_t size_ = 0;
  std::vector<Cells> cells_;  // none or one; a vector, since it is large and can be copied
};

}  // namespace sandboxd::sched
