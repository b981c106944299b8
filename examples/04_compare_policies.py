"""Two scheduling policies on the same load: how full they get the cluster, and how evenly. Plots it.

python examples/04_compare_policies.py [POLICY] [POLICY] [--nodes 200] [--arrivals 4000] [--plot policies.png]

A policy is a built-in one's name (spread, pack, original) or JSON. Needs no platform: it is the control plane's own
scheduler. The plot needs matplotlib; without it there are bars of text.
"""

from __future__ import annotations

import argparse
import random
import statistics
from dataclasses import dataclass, field

from sandboxd import NodeView, PlacementRequest, Scheduler

GIB = 1 << 30


@dataclass
class Outcome:
    """What a policy made of the load, sampled over time."""

    name: str
    used: list[float] = field(default_factory=list)  # per cent of all CPU
    empty: list[int] = field(default_factory=list)  # nodes without anything on them
    fullest: list[float] = field(default_factory=list)  # CPU in use on the fullest node, per cent
    refused: int = 0
    refused_large: int = 0


def make_nodes(count: int) -> list[NodeView]:
    draw = random.Random(1)
    sizes = [(8, 32), (16, 64), (32, 128)]
    nodes = []
    for number in range(count):
        cores, memory = draw.choice(sizes)
        nodes.append(NodeView(f"node-{number:03}", cores * 1000, memory * GIB, labels={"zone": f"zone-{number % 3}"}))
    return nodes


def make_load(arrivals: int) -> list[tuple[PlacementRequest, int]]:
    """Requests with the number of arrivals that each stays for: small and short, and now and then a large one."""
    draw = random.Random(2)
    load = []
    for _ in range(arrivals):
        is_large = draw.random() < 0.05
        cpu = 16000 if is_large else draw.choice([250, 500, 1000, 2000, 4000])
        request = PlacementRequest(
            cpu_milli=cpu,
            memory_bytes=cpu * draw.choice([1, 2, 4, 8]) * GIB // 2000,
            host_ports=[0] * draw.randrange(3),
            group=f"owner-{draw.randrange(20)}",
        )
        load.append((request, draw.randrange(arrivals // 4, arrivals)))
    return load


def run(policy: str, nodes: list[NodeView], load: list[tuple[PlacementRequest, int]]) -> Outcome:
    scheduler = Scheduler(nodes, policy=policy)
    outcome = Outcome(scheduler.policy.name)
    leaves: dict[int, list] = {}
    for step, (request, stays) in enumerate(load):
        for gone, decision in leaves.pop(step, []):
            scheduler.release(gone, decision)
        decision = scheduler.place(request, refusals_max=0)
        if decision.placed:
            leaves.setdefault(step + stays, []).append((request, decision))
        else:
            outcome.refused += 1
            outcome.refused_large += request.cpu_milli >= 16000
        if step % max(1, len(load) // 100) == 0:
            shares = [1 - (node.free_cpu_milli or 0) / node.allocatable_cpu_milli for node in scheduler.nodes]
            outcome.used.append(100 * statistics.fmean(shares))
            outcome.empty.append(shares.count(0))
            outcome.fullest.append(100 * max(shares))
    return outcome


def plot(outcomes: list[Outcome], path: str) -> bool:
    """Write the picture; False when matplotlib is not installed."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        return False
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4))
    for outcome in outcomes:
        left.plot(outcome.used, label=f"{outcome.name}: CPU in use, %")
        right.plot(outcome.empty, label=f"{outcome.name}: empty nodes")
    for axes in (left, right):
        axes.set_xlabel("time")
        axes.legend()
    figure.savefig(path)
    return True


def bars(outcomes: list[Outcome]) -> None:
    print("\nempty nodes over time")
    most = max(1, *(max(outcome.empty) for outcome in outcomes))
    for outcome in outcomes:
        print("".join("_.:-=+*#%@"[count * 9 // most] for count in outcome.empty), outcome.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("policies", nargs="*", default=["spread", "pack"])
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--arrivals", type=int, default=4000)
    parser.add_argument("--plot", default="policies.png")
    arguments = parser.parse_args()
    nodes, load = make_nodes(arguments.nodes), make_load(arguments.arrivals)
    outcomes = [run(policy, nodes, load) for policy in arguments.policies]
    for outcome in outcomes:
        print(
            f"{outcome.name:10} CPU in use {statistics.fmean(outcome.used):5.1f} %   empty nodes "
            f"{statistics.fmean(outcome.empty):6.1f}   refused {outcome.refused} ({outcome.refused_large} large)"
        )
    if plot(outcomes, arguments.plot):
        print(f"plotted to {arguments.plot}")
    else:
        bars(outcomes)
        print("install matplotlib for a picture: python -m pip install matplotlib")


if __name__ == "__main__":
    main()
