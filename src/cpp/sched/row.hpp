// A node and a request in the form in which they are compared a million times a second: numbers only, no text.
#pragma once

#include "sched/ports.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace sandboxd::sched {

inline constexpr std::int64_t kNoDiskLimit = std::numeric_limits<std::int64_t>::max();

// How many of something there are, in a vector that is sorted by `key`.
struct Count {
  std::uint32_t key = 0;
  std::uint32_t count = 0;
};
[[nodiscard]] std::uint32_t count_of(const std::vector<Count>& counts, std::uint32_t key);
// Adds `by`, which may be negative; an entry that comes to nothing goes.
void add_to(std::vector<Count>& counts, std::uint32_t key, std::int64_t by);

// The whole of something, and per cents of it without a division: they are half of the work of a search.
class Whole {
 public:
  void set(std::int64_t whole);
  [[nodiscard]] std::int64_t value() const { return value_; }
  // Rounded down, within 0 and 100.
  [[nodiscard]] int percent(std::int64_t part) const {
    if (value_ <= 0 || part <= 0) return 0;
    if (part >= value_) return 100;
    const std::uint64_t hundredfold = (static_cast<std::uint64_t>(part) >> shift_) * 100;
    auto quotient = static_cast<std::uint64_t>(static_cast<unsigned __int128>(hundredfold) * inverse_ >> 64);
    if (hundredfold - quotient * divisor_ >= divisor_) ++quotient;  // the product may come out one too small
    return static_cast<int>(quotient);
  }

 private:
  std::int64_t value_ = 0;
  std::uint64_t divisor_ = 1;  // the value without bits that would not fit
  std::uint64_t inverse_ = 0;
  int shift_ = 0;
};

// Sets of labels as bits, of which several labels share each: a set that lacks a bit lacks the label, which most nodes
// that lack one are told by without a look at the list.
[[nodiscard]] inline std::uint64_t bit_of(std::uint32_t label) { return std::uint64_t{1} << (label % 64); }

struct Row {
  explicit Row(const PortRange& range, std::uint64_t seed) : ports(range, seed) {}

  std::uint32_t slot = 0;  // its place among the rows

  bool ready = false;
  bool cordoned = false;
  bool held = false;
  std::uint64_t label_bits = 0;  // see bit_of()
  std::uint32_t domain = 0;      // the number of its failure domain's label; 0: none
  std::int64_t free_cpu_milli = 0;
  std::int64_t free_memory_bytes = 0;
  std::int64_t free_disk_bytes = kNoDiskLimit;
  Whole allocatable_cpu_milli;
  Whole allocatable_memory_bytes;
  std::vector<std::uint32_t> labels;  // numbers of key and value, sorted
  std::vector<std::uint32_t> images;  // sorted
  std::vector<Count> groups;          // sandboxes that are there
  PortAllocator ports;
};

struct Ask {
  std::int64_t cpu_milli = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t disk_bytes = 0;
  std::vector<std::uint32_t> labels;  // 0: no node has this one
  std::uint64_t label_bits = 0;
  std::vector<std::uint32_t> images;  // likewise
  std::vector<std::uint32_t> slots;   // it must be one of these, if it is limited
  bool is_limited = false;
  std::uint32_t group = 0;  // 0: no sandbox of it is anywhere
  const std::vector<int>* host_ports = nullptr;
  bool names_ports = false;
  bool needs_range = false;                     // one of the ports comes out of the range
  const std::vector<Count>* domains = nullptr;  // sandboxes of the group in each failure domain
  std::uint32_t domains_max = 0;                // the largest of these, and the least of all domains
  std::uint32_t domains_min = 0;
  std::string text;  // scratch
};

}  // namespace sandboxd::sched
