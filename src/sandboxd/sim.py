"""Whole clusters in one process, from one seed: the production control plane with simulated nodes, clients and faults.

Example:
    world = World(seed=7)
    world.run_for(60)
    world.settle()
    assert world.check() == [], world.trace_tail()
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from ._native import core

FAULTS = (
    "crash_control_plane",
    "crash_node",
    "crash_node_at_step",
    "cut_link",
    "break_streams",
    "disk_full",
    "disk_error",
    "power_loss",
    "kill_container",
    "runtime_down",
    "runtime_error",
    "runtime_events",
    "network_error",
    "node_disk_full",
    "node_disk_error",
    "jump_clock",
)


class World:
    """A simulated cluster. The same seed and options give the same run on every machine.

    Nothing takes real time beyond the computing, and only one world may run at a time in a process. A call that
    computes for long is not interrupted by Ctrl-C before it returns.

    Args:
        seed: decides everything that is drawn.
        nodes: number of nodes; 0 draws 1 to 8.
        clients: number of clients; 0 draws 1 to 6.
        faults: whether things break by themselves; `inject` works in any case.
        workload: whether the clients create and delete.
    """

    def __init__(
        self, seed: int, *, nodes: int = 0, clients: int = 0, faults: bool = True, workload: bool = True
    ) -> None:
        self.seed = seed
        self._native = core().World(seed, nodes=nodes, clients=clients, faults=faults, workload=workload)

    def run_for(self, seconds: float) -> None:
        """Move simulated time on; invariants are checked all along."""
        self._native.run_for(round(seconds * 1e9))

    def step(self) -> bool:
        """Go to the next thing that happens; False when nothing is left to happen."""
        return bool(self._native.step())

    def inject(self, fault: str) -> None:
        """Break something now: one of FAULTS.

        Raises:
            InvalidRequestError: there is no such fault.
        """
        self._native.inject(fault)

    def settle(self) -> None:
        """Heal everything, stop faults and new work, and let the cluster come to rest."""
        self._native.settle()

    def check(self) -> list[str]:
        """Everything that was ever wrong, and after `settle` whatever has not come to rest. Empty: all is well."""
        return list(self._native.check())

    @property
    def now(self) -> datetime:
        """The simulated wall clock."""
        return datetime.fromtimestamp(self._native.now_ns() / 1e9, UTC)

    @property
    def stats(self) -> Mapping[str, int]:
        """Counts of what happened, by name."""
        return dict(self._native.stats())

    def trace_hash(self) -> int:
        """A number that differs as soon as anything happened differently."""
        return int(self._native.trace_hash())

    def trace_tail(self) -> list[str]:
        """The last lines of what happened."""
        return list(self._native.trace_tail())

    def __repr__(self) -> str:
        return f"<World seed={self.seed} now={self.now.isoformat()}>"


__all__ = ["FAULTS", "World"]
