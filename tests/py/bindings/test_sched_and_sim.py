"""The scheduler as a function, and whole clusters from one seed."""

from __future__ import annotations

import threading
import time

import pytest

from sandboxd import InvalidRequestError, place
from sandboxd._sched import NodeView, PlacementRequest
from sandboxd.sim import FAULTS, Workload, World

GIB = 1 << 30


def node(id: str, cpu: int = 4000, **more: object) -> NodeView:
    return NodeView(id, 4000, 8 * GIB, cpu, 8 * GIB, **more)  # type: ignore[arg-type]


def test_a_sandbox_goes_where_it_fits() -> None:
    found = place([node("a", cpu=100), node("b")], PlacementRequest(cpu_milli=200, memory_bytes=GIB))
    assert found.node == "b" and found.placed and found.refusals == ()


def test_the_answer_depends_on_the_arguments_alone() -> None:
    nodes, request = [node("c"), node("a"), node("b")], PlacementRequest(cpu_milli=1)
    assert len({place(nodes, request) for _ in range(20)}) == 1
    assert place(nodes, request) == place(nodes[::-1], request)


def test_who_fits_nowhere_learns_why_for_every_node() -> None:
    nodes = [
        node("cordoned", cordoned=True),
        node("down", ready=False),
        node("full", cpu=10),
        node("other", labels={"disk": "hdd"}),
    ]
    found = place(nodes, PlacementRequest(cpu_milli=200, selector={"disk": "ssd"}))
    assert not found.placed
    assert {item.node for item in found.refusals} == {"cordoned", "down", "full", "other"}
    assert all(item.node in item.text for item in found.refusals)
    rules = {item.node: item.rule for item in found.refusals}
    assert (rules["cordoned"], rules["down"]) == ("cordoned", "not_ready")
    assert len(place(nodes, PlacementRequest(cpu_milli=9999), refusals_max=2).refusals) == 2


def test_named_host_ports_are_respected() -> None:
    nodes = [node("a", taken_ports=[10002, 10001]), node("b", taken_ports=[10003])]
    assert place(nodes, PlacementRequest(host_ports=[10001])).node == "b"


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
