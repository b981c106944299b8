"""Whole clusters in one process, from one seed: the production control plane with simulated nodes, clients and faults.

Example:
    world = World(seed=7)
    world.run_for(60)
    world.settle()
    assert world.check() == [], world.trace_tail()
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ._native import core
from ._sched import SchedulingPolicy

FAULTS = (
    "crash_control_plane",
    "power_loss",
    "disk_full",
    "disk_error",
    "disk_slow",
    "jump_clock",
    "cut_link",
    "cut_to_node",
    "cut_from_node",
    "partition",
    "break_streams",
    "flapping_link",
    "slow_node",
    "bad_weather",
    "crash_node",
    "flapping_node",
    "crash_node_at_step",
    "kill_container",
    "runtime_down",
    "runtime_error",
    "runtime_events",
    "network_error",
    "node_disk_full",
    "node_disk_error",
)


@dataclass(frozen=True, slots=True)
class Workload:
    """What the simulated clients ask for. Each one creates, deletes and looks, pausing in between.

    Attributes:
        clients: how many; 0 draws 1 to 6.
        live_max: sandboxes that one client has at most.
        pause_min_ms: shortest pause between two calls of a client, in milliseconds.
        pause_max_ms: longest one.
        cpu_milli_max: CPU that a container asks for at most, in steps of 100 thousandths of a core.
        memory_mib_max: memory likewise, in steps of 64 MiB.
        ports_max: published ports of a sandbox at most.
        ttl_permille: how many in a thousand expire by themselves.
        selector_permille: how many in a thousand insist on a zone.
        pair_permille: how many in a thousand have two containers.
        cordon_permille: now and then a client cordons a node or lifts that: how many in a thousand of these cordon.
        ending_permille: how many containers in a thousand end by themselves, well or badly, or cannot start.
        restart_permille: how many sandboxes in a thousand start what ended again, always or after a failure.
        life_permille: of a client's calls that are no creates: how many in a thousand pause, resume, stop, start or
            restart a sandbox, now and then at its node itself.
    """

    clients: int = 0
    live_max: int = 30
    pause_min_ms: int = 5
    pause_max_ms: int = 305
    cpu_milli_max: int = 1000
    memory_mib_max: int = 512
    ports_max: int = 3
    ttl_permille: int = 100
    selector_permille: int = 200
    pair_permille: int = 150
    cordon_permille: int = 300
    ending_permille: int = 170
    restart_permille: int = 150
    life_permille: int = 150


class World:
    """A simulated cluster. The same seed and options give the same run on every machine.

    Nothing takes real time beyond the computing, and only one world may run at a time in a process. A call that
    computes for long is not interrupted by Ctrl-C before it returns.

    Args:
        seed: decides everything that is drawn.
        nodes: number of nodes; 0 draws 1 to 8.
        clients: number of clients; 0 takes the workload's number.
        faults: whether things break by themselves; `inject` works in any case.
        workload: what the clients do; True for the usual, False for nothing.
        policy: how nodes are chosen: a SchedulingPolicy, the name of a built-in one, or JSON.
        images_ready: nodes have the clients' image, instead of pulling it (300 ms) when it is first used.
        light_nodes: light stand-ins in place of the production node agents, for thousands of nodes.
        plan: instead of the faults that would be drawn, exactly these, as `plan` gave them.

    Raises:
        InvalidRequestError: the plan, the workload or the policy is not valid; the message names the member.
    """

    def __init__(
        self,
        seed: int,
        *,
        nodes: int = 0,
        clients: int = 0,
        faults: bool = True,
        workload: bool | Workload = True,
        policy: SchedulingPolicy | str = "",
        images_ready: bool = False,
        light_nodes: bool = False,
        plan: Mapping[str, Any] | None = None,
    ) -> None:
        load = workload if isinstance(workload, Workload) else Workload()
        if clients:
            load = replace(load, clients=clients)
        scenario: dict[str, Any] = {
            "seed": seed,
            "nodes": nodes,
            "draw_faults": faults,
            "workload": workload is not False,
            "policy": policy.to_json() if isinstance(policy, SchedulingPolicy) else policy,
            "images_ready": images_ready,
            "light_nodes": light_nodes,
            "load": asdict(load),
        }
        if plan is not None:
            scenario.update(plan)
        self.seed = seed
        self._native = core().World(json.dumps(scenario))

    @classmethod
    def replay(cls, scenario: str) -> World:
        """Run a saved scenario (the JSON of `scenario`) to its end."""
        world = cls.__new__(cls)
        world._native = core().World(scenario)
        world.seed = int(world._native.seed())
        saved = json.loads(scenario)
        world.run_for(saved.get("run_ms", 60_000) / 1000)
        if saved.get("settle", True):
            world.settle()
        return world

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
    def plan(self) -> dict[str, Any]:
        """The faults that struck so far, and the weather, as data: print it, cut it down, give it to a new world."""
        return dict(json.loads(self._native.plan()))

    def scenario(self, *, settle: bool = False) -> str:
        """This run up to now as JSON, for `replay`: seed, sizes, workload, faults and length."""
        return str(self._native.scenario(settle))

    @property
    def now(self) -> datetime:
        """The simulated wall clock."""
        return datetime.fromtimestamp(self._native.now_ns() / 1e9, UTC)

    @property
    def stats(self) -> Mapping[str, int | float]:
        """Counts of what happened, by name.

        Now: `sandboxes`, of which `running`, `waiting` for a place and `failed`; `cpu_permille`, how much of the nodes'
        CPU is promised, in thousandths; `cpu_spread_permille`, the standard deviation of that between nodes;
        `cpu_free_max_milli`, the largest piece that one node has left. Of the whole run: `given_up`, those that found
        no place in time; `running_p50_ms`, `running_p95_ms` and `running_max_ms`, from accepted to Running in simulated
        milliseconds, of those that got there.
        """
        return dict(self._native.stats())

    @property
    def faults(self) -> Mapping[str, int]:
        """How often each kind of fault struck; spoiled messages too."""
        return dict(self._native.faults())

    def trace_hash(self) -> int:
        """A number that differs as soon as anything happened differently."""
        return int(self._native.trace_hash())

    def trace_tail(self) -> list[str]:
        """The last lines of what happened."""
        return list(self._native.trace_tail())

    def __repr__(self) -> str:
        return f"<World seed={self.seed} now={self.now.isoformat()}>"


__all__ = ["FAULTS", "Workload", "World"]
