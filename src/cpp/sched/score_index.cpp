#include "sched/score_index.hpp"

#include <algorithm>

namespace sandboxd::sched {
namespace {

constexpr int kShelfCount = 64;

template <std::size_t N>
int step(const std::array<std::int64_t, N>& first, std::int64_t amount) {
  return static_cast<int>(std::upper_bound(first.begin(), first.end(), amount) - first.begin());
}

// Where each step but the lowest begins.
constexpr std::array<std::int64_t, 7> kCpuMilli{200, 500, 1000, 2000, 4000, 8000, 32000};
constexpr std::array<std::int64_t, 3> kMemoryBytes{std::int64_t{512} << 20, std::int64_t{4} << 30,
                                                   std::int64_t{32} << 30};

int cpu_step(std::int64_t milli) { return step(kCpuMilli, milli); }
int memory_step(std::int64_t bytes) { return step(kMemoryBytes, bytes); }

}  // namespace

int shelf_of(std::int64_t cpu_milli, std::int64_t memory_bytes, bool has_port) {
  return cpu_step(cpu_milli) * 8 + memory_step(memory_bytes) * 2 + (has_port ? 1 : 0);
}

Shelves shelves_for(std::int64_t cpu_milli, std::int64_t memory_bytes, bool needs_port) {
  const Shelves with_memory = 0xFFU << (memory_step(memory_bytes) * 2) & 0xFFU;
  const Shelves one_step = needs_port ? with_memory & 0xAAU : with_memory;
  return one_step * 0x0101010101010101U & ~Shelves{0} << (cpu_step(cpu_milli) * 8);
}

Cell cell_of(int promise, int shelf) { return promise * kShelfCount + shelf; }

ScoreIndex::Member ScoreIndex::add(Slot slot, Cell cell) {
  auto member = static_cast<Member>(members_.size());
  if (unused_.empty()) {
    members_.emplace_back();
  } else {
    member = unused_.back();
    unused_.pop_back();
  }
  members_[member] = {slot, cell, true, kNobody, kNobody};
  ++size_;
  if (!cells_.empty()) {
    link(member);
  } else if (size_ >= 2 * kSmall) {
    make_cells();
  }
  return member;
}

void ScoreIndex::move(Member member, Cell cell) {
  if (!cells_.empty()) unlink(member);
  members_[member].cell = cell;
  if (!cells_.empty()) link(member);
}

void ScoreIndex::remove(Member member) {
  if (!cells_.empty()) unlink(member);
  members_[member] = Link();
  unused_.push_back(member);
  if (--size_ < kSmall) cells_ = {};
  if (size_ > 0) return;
  members_.clear();
  unused_.clear();
}

void ScoreIndex::make_cells() {
  cells_.emplace_back();
  cells_.front().first.fill(kNobody);
  for (Member member = 0; member < members_.size(); ++member) {
    if (members_[member].is_member) link(member);
  }
}

void ScoreIndex::link(Member member) {
  Link& link = members_[member];
  if (link.cell == kNoCell) return;
  Member& first = cells_.front().first[static_cast<std::size_t>(link.cell)];
  if (first == kNobody) {
    first = link.previous = link.next = member;
    cells_.front().used[static_cast<std::size_t>(link.cell / kShelves)] |= Shelves{1} << (link.cell % kShelves);
    return;
  }
  link.next = first;
  link.previous = members_[first].previous;
  members_[link.previous].next = member;
  members_[first].previous = member;
}

void ScoreIndex::unlink(Member member) {
  const Link& link = members_[member];
  if (link.cell == kNoCell) return;
  Member& first = cells_.front().first[static_cast<std::size_t>(link.cell)];
  if (link.next == member) {
    first = kNobody;
    cells_.front().used[static_cast<std::size_t>(link.cell / kShelves)] &= ~(Shelves{1} << (link.cell % kShelves));
    return;
  }
  members_[link.previous].next = link.next;
  members_[link.next].previous = link.previous;
  if (first == member) first = link.next;
}

}  // namespace sandboxd::sched
