"""Whole clusters from one seed."""

from __future__ import annotations

import threading
import time

import pytest

from sandboxd import InvalidRequestError, SchedulingPolicy
from sandboxd.sim import FAULTS, Workload, World


def run(seed: int) -> tuple[int, list[str], dict[str, int | float]]:
    world = World(seed, nodes=2, clients=2)
    world.run_for(10)
    world.settle()
    return world.trace_hash(), world.check(), dict(world.stats)


def test_a_seed_gives_the_same_run_twice_and_another_seed_another() -> None:
    first, second = run(3), run(3)
    assert first == second
    assert first[1] == [] and first[2]["creates_acknowledged"] > 0
    assert run(4)[0] != first[0]


def test_time_moves_only_in_the_simulation() -> None:
    world = World(1, nodes=1, clients=1, faults=False)
    began, real = world.now, time.monotonic()
    world.run_for(30)
    assert (world.now - began).total_seconds() == pytest.approx(30, abs=0.01)
    assert time.monotonic() - real < 30
    assert str(world.seed) in repr(world)


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_can_be_injected_and_is_outlasted(fault: str) -> None:
    world = World(5, nodes=2, clients=2, faults=False)
    world.run_for(3)
    world.inject(fault)
    world.run_for(3)
    world.settle()
    assert world.check() == [], world.trace_tail()
    assert world.stats["faults"] >= 1


def test_a_run_is_saved_and_replayed() -> None:
    world = World(8, nodes=3)
    world.run_for(10)
    assert world.plan["faults"] and sum(world.faults.values()) > 0
    again = World.replay(world.scenario())
    assert again.trace_hash() == world.trace_hash() and again.seed == 8
    calm = World(8, nodes=3, plan={"faults": []})
    calm.run_for(10)
    assert calm.stats["faults"] == 0


def test_bad_plans_and_workloads_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="earthquake"):
        World(1, plan={"faults": [{"at_us": 1, "kind": "earthquake"}]})
    with pytest.raises(InvalidRequestError, match="load"):
        World(1, workload=Workload(pause_min_ms=10, pause_max_ms=1))


def test_a_fleet_of_light_nodes_says_how_it_went() -> None:
    load = Workload(clients=10, live_max=50, pause_max_ms=20, cpu_milli_max=300)
    world = World(9, nodes=100, light_nodes=True, workload=load, faults=False)
    world.run_for(20)
    stats = world.stats
    assert stats["placements"] > 100
    assert 0 < stats["running_p50_ms"] <= stats["running_p95_ms"]
    assert stats["cpu_permille"] > 0 and stats["cpu_spread_permille"] >= 0
    world.settle()
    assert world.check() == []


def test_a_policy_decides_where_sandboxes_go_and_is_replayed() -> None:
    load = Workload(clients=3, live_max=8, cpu_milli_max=500, ending_permille=0, ttl_permille=0, life_permille=0)

    def world(policy: SchedulingPolicy | str) -> World:
        one = World(3, nodes=8, policy=policy, workload=load, faults=False, images_ready=True)
        one.run_for(20)
        return one

    spread, pack, mine = world("spread"), world("pack"), world(SchedulingPolicy({"cpu_fill": 1, "memory_fill": 1}))
    assert pack.stats["cpu_spread_permille"] > spread.stats["cpu_spread_permille"]
    assert pack.stats["cpu_free_max_milli"] >= spread.stats["cpu_free_max_milli"] > 0
    assert World.replay(mine.scenario()).trace_hash() == mine.trace_hash() != spread.trace_hash()
    assert world("").trace_hash() == spread.trace_hash()  # the default
    with pytest.raises(InvalidRequestError, match=r"policy.*scatter"):
        world("scatter")


def test_a_planted_fault_is_seen_by_the_checkers() -> None:
    world = World(6, nodes=2, clients=2, faults=False)
    world.run_for(5)
    world.inject("plant_orphan")
    world.settle()
    assert world.check()


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="earthquake"):
        World(1, nodes=1, clients=1).inject("earthquake")


def test_other_threads_run_while_a_world_computes() -> None:
    world = World(7, nodes=2, clients=2)
    ticks: list[float] = []
    done = threading.Event()

    def tick() -> None:
        while not done.wait(0.001):
            ticks.append(time.monotonic())

    thread = threading.Thread(target=tick)
    thread.start()
    real = time.monotonic()
    world.run_for(20)
    spent = time.monotonic() - real
    done.set()
    thread.join()
    if spent > 0.05:  # otherwise it was too quick to tell
        assert len(ticks) > 3
