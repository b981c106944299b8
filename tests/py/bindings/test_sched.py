"""The scheduler in Python: decide, explain, try out; policies as data."""

from __future__ import annotations

import json

import pytest

from sandboxd import InvalidRequestError, NodeInfo, NodeView, PlacementRequest, Scheduler, SchedulingPolicy, place
from sandboxd._sched import RULES, SCORES

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
        node("full", cpu=10, labels={"disk": "ssd"}),
        node("other", labels={"disk": "hdd"}),
        node("small-disk", labels={"disk": "ssd"}, allocatable_disk_bytes=GIB, free_disk_bytes=10),
    ]
    request = PlacementRequest(cpu_milli=200, selector={"disk": "ssd"}, disk_bytes=100)
    found = place(nodes, request)
    assert not found.placed and found.host_ports == ()
    assert all(item.node in item.text for item in found.refusals)
    assert {item.node: item.rule for item in found.refusals} == {
        "cordoned": "cordoned",
        "down": "not_ready",
        "full": "cpu",
        "other": "selector",
        "small-disk": "disk",
    }
    assert {item.rule for item in found.refusals} <= set(RULES)
    assert len(place(nodes, PlacementRequest(cpu_milli=9999), refusals_max=2).refusals) == 2


def test_named_host_ports_are_respected() -> None:
    nodes = [node("a", taken_ports=[10002, 10001]), node("b", taken_ports=[10003])]
    found = place(nodes, PlacementRequest(host_ports=[10001, 0]))
    assert found.node == "b" and found.host_ports[0] == 10001 and 10000 <= found.host_ports[1] <= 32767


def test_a_scheduler_reserves_and_gives_back() -> None:
    scheduler = Scheduler([node("a")], ports=(20000, 20001))
    request = PlacementRequest(cpu_milli=2000, host_ports=[0])
    first, second = scheduler.place(request), scheduler.place(request)
    assert {first.host_ports[0], second.host_ports[0]} == {20000, 20001}
    assert scheduler.nodes[0].free_cpu_milli == 0
    assert scheduler.place(request).refusals[0].rule == "cpu"
    scheduler.release(request, first)
    assert scheduler.place(request).host_ports == first.host_ports


def test_what_if_answers_as_place_would_and_changes_nothing() -> None:
    scheduler = Scheduler([node("a"), node("b"), node("c")], seed=7)
    requests = [PlacementRequest(cpu_milli=1500, host_ports=[0], group="g") for _ in range(8)]
    before = scheduler.nodes
    supposed = scheduler.what_if(requests)
    assert scheduler.nodes == before
    assert [scheduler.place(request) for request in requests] == supposed
    assert [decision.placed for decision in supposed] == [True] * 6 + [False] * 2


def test_explain_says_of_each_node_why_or_how_good() -> None:
    policy = SchedulingPolicy({"cpu_room": 3, "image": 1})
    scheduler = Scheduler([node("a", images=["x"]), node("b"), node("c", cpu=0)], policy=policy)
    a, b, c = scheduler.explain(PlacementRequest(cpu_milli=1000, images=["x"]))
    assert (a.node, a.score, a.points) == ("a", 81, {"cpu_room": 75, "image": 100})
    assert (b.node, b.score, b.points) == ("b", 56, {"cpu_room": 75, "image": 0})
    assert c.refusal is not None and c.refusal.rule == "cpu"


def test_policies_choose_differently() -> None:
    nodes = [node("empty"), node("half", cpu=2000)]
    request = PlacementRequest(cpu_milli=100)
    assert place(nodes, request, policy="spread").node == "empty"
    assert place(nodes, request, policy="pack").node == "half"
    zones = [node(f"n{n}", labels={"rack": "1" if n < 3 else "2"}) for n in range(4)]
    spread = SchedulingPolicy({"spread_domain": 1}, domain_label="rack")
    scheduler = Scheduler(zones, policy=spread)
    racks = [scheduler.place(PlacementRequest(cpu_milli=100, group="g")).node == "n3" for _ in range(6)]
    assert sum(racks) == 3


def test_the_original_policy_looks_at_free_cpu_alone() -> None:
    """Memory does not count; of equals the lowest id."""
    full_of_memory = NodeView("b", 4000, 8 * GIB, 4000, GIB)
    nodes = [node("a", cpu=3800), full_of_memory, node("c", cpu=3800)]
    request = PlacementRequest(cpu_milli=100, memory_bytes=GIB)
    assert place(nodes, request, policy="original").node == "b"
    assert place(nodes, request, policy="spread").node == "a"
    assert place(nodes[::2], request, policy="original").node == "a"


def test_policies_are_data_and_checked() -> None:
    names = [policy.name for policy in SchedulingPolicy.built_in()]
    assert names == ["spread", "pack", "original"]
    for policy in SchedulingPolicy.built_in():
        assert SchedulingPolicy.from_text(policy.to_json()) == policy
        assert set(policy.scores) <= set(SCORES)
    assert json.loads(SchedulingPolicy({"image": 2}, rules=["cpu"]).to_json())["rules"] == ["cpu"]
    every = SchedulingPolicy(dict.fromkeys(SCORES, 1), rules=RULES)
    assert SchedulingPolicy.from_text(every.to_json()).scores == every.scores
    for wrong, named in [
        (SchedulingPolicy({"speed": 1}), "speed"),
        (SchedulingPolicy({"image": 0}), "weight"),
        (SchedulingPolicy({"image": 5000}), "1000"),
        (SchedulingPolicy({"image": 1}, rules=["luck"]), "luck"),
        (SchedulingPolicy({"image": 1}, candidates=-1), "candidates"),
    ]:
        with pytest.raises(InvalidRequestError, match=named):
            Scheduler([], policy=wrong)
    with pytest.raises(InvalidRequestError, match="spread, pack, original"):
        Scheduler([], policy="fast")
    with pytest.raises(InvalidRequestError, match="range"):
        Scheduler([], ports=(5, 4))


def test_nodes_come_from_the_api_too() -> None:
    item = {
        "id": "n1",
        "metadata": {"labels": {"zone": "a"}},
        "ip": "192.0.2.1",
        "port": 8080,
        "unschedulable": False,
        "state": "Ready",
        "resources": {
            "allocatable_cpu_milli": 4000,
            "allocatable_memory_bytes": GIB,
            "available_cpu_milli": 500,
            "available_memory_bytes": GIB,
        },
    }
    answer = {"items": [item, {**item, "id": "n2", "state": "NotReady"}]}
    request = PlacementRequest(cpu_milli=400, selector={"zone": "a"})
    for nodes in (answer, answer["items"], [NodeInfo.from_json(one) for one in answer["items"]]):  # type: ignore[attr-defined]
        scheduler = Scheduler(nodes)  # type: ignore[arg-type]
        assert scheduler.place(request).node == "n1"
        assert {item.node: item.rule for item in scheduler.place(request).refusals} == {"n1": "cpu", "n2": "not_ready"}
