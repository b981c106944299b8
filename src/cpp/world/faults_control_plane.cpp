// The control plane's process, its disk and its clock.
#include "world/faults.hpp"

#include <array>

namespace sandboxd::world {
namespace {

constexpr std::int64_t kJumpMaxMs = 3'600'000;

Task<void> restart(Cluster& cluster, Duration after) {
  co_await cluster.clock.sleep_for(after);
  cluster.start_control_plane();
}

bool crash(Cluster& cluster, const PlannedFault& fault, std::size_t kept) {
  if (!cluster.plane) return false;
  cluster.crash_control_plane(kept);
  cluster.tasks.spawn("restart", restart(cluster, fault.lasts));
  return true;
}

// The system keeps what a killed process had written.
bool kill(Cluster& cluster, const PlannedFault& fault) { return crash(cluster, fault, cluster.disk->unsynced()); }

// Of what was not synced, nothing or a first part is there afterwards.
bool lose_power(Cluster& cluster, const PlannedFault& fault) {
  Random random(static_cast<std::uint64_t>(fault.detail));
  const std::size_t kept = random.chance(500) ? 0 : random.below(cluster.disk->unsynced() + 1);
  return crash(cluster, fault, kept);
}

Task<void> make_room(Cluster& cluster, Duration after) {
  co_await cluster.clock.sleep_for(after);
  cluster.disk->faults.full = false;
  cluster.note("disk has room");
}

bool fill_disk(Cluster& cluster, const PlannedFault& fault) {
  cluster.disk->faults.full = true;
  cluster.note("disk full");
  cluster.tasks.spawn("room", make_room(cluster, fault.lasts));
  return true;
}

bool fail_disk(Cluster& cluster, const PlannedFault& fault) {
  Random random(static_cast<std::uint64_t>(fault.detail));
  cluster.note("disk error");
  (random.chance(500) ? cluster.disk->faults.fail_nth_write : cluster.disk->faults.fail_nth_sync) = 1 + random.below(5);
  return true;
}

Task<void> hurry(Cluster& cluster, Duration after) {
  co_await cluster.clock.sleep_for(after);
  cluster.disk->faults.delay = kStoreDelay;
  cluster.note("disk fast again");
}

bool slow_disk(Cluster& cluster, const PlannedFault& fault) {
  Random random(static_cast<std::uint64_t>(fault.detail));
  cluster.disk->faults.delay = std::chrono::milliseconds(20 + random.below(800));
  cluster.note("disk slow");
  cluster.tasks.spawn("disk", hurry(cluster, fault.lasts));
  return true;
}

// Mostly a little, as time daemons do; at times a lot, as after a pause of the machine.
bool jump_clock(Cluster& cluster, const PlannedFault& fault) {
  Random random(static_cast<std::uint64_t>(fault.detail));
  const std::int64_t most = random.chance(150) ? kJumpMaxMs : 2000;
  const auto span = static_cast<std::uint64_t>(2 * most);
  cluster.note("wall clock jumps");
  cluster.clock.jump_wall(std::chrono::milliseconds(static_cast<std::int64_t>(random.below(span)) - most));
  return true;
}

constexpr std::array<FaultKind, 6> kKinds{
    {{.name = "crash_control_plane", .strike = kill, .weight = 6, .longest_ms = 3000},
     {.name = "power_loss", .strike = lose_power, .weight = 4, .longest_ms = 3000},
     {.name = "disk_full", .strike = fill_disk, .weight = 3, .longest_ms = 4000},
     {.name = "disk_error", .strike = fail_disk, .weight = 6},
     {.name = "disk_slow", .strike = slow_disk, .weight = 3, .longest_ms = 5000},
     {.name = "jump_clock", .strike = jump_clock, .weight = 3}}};

}  // namespace

std::span<const FaultKind> control_plane_faults() { return kKinds; }

}  // namespace sandboxd::world
