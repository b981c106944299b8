"""Two scheduling policies on one simulated cluster under the same load: who waits, how even it is, what piece is left.

    python examples/04_compare_policies.py [POLICY] [POLICY] [--nodes 40] [--seconds 180] [--plot policies.png]

A policy is a built-in one's name (spread, pack, original) or JSON, as the setting `scheduler_policy` takes it. Needs no
platform: the control plane, the node agents and the clients run in this process, in simulated time. The picture needs
matplotlib (python -m pip install 'sandboxd[plot]'); without it there is a table only.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field

from sandboxd import SchedulingPolicy
from sandboxd.sim import Workload, World

# Mostly small sandboxes, up to half of a large node: those are what a badly filled cluster has no piece for.
LOAD = Workload(
    clients=14,
    live_max=6,
    pause_min_ms=300,
    pause_max_ms=2500,
    cpu_milli_max=4000,
    memory_mib_max=256,
    ports_max=0,
    ttl_permille=0,
    life_permille=0,
    selector_permille=0,
    pair_permille=0,
    cordon_permille=0,
    ending_permille=0,
)


@dataclass
class Outcome:
    """What a policy made of the load: figures of the end, and a sample of every second."""

    name: str
    stats: dict[str, int | float] = field(default_factory=dict)
    used: list[float] = field(default_factory=list)  # CPU, per cent, the mean of the nodes
    spread: list[float] = field(default_factory=list)  # between nodes, standard deviation, points of per cent
    piece: list[float] = field(default_factory=list)  # the largest that one node has left, cores
    waiting: list[int] = field(default_factory=list)  # sandboxes without a place


def run(policy: str, nodes: int, seconds: int, seed: int) -> Outcome:
    """One world of this seed: the same nodes and clients for every policy."""
    outcome = Outcome(SchedulingPolicy.from_text(policy).name)
    world = World(seed, nodes=nodes, policy=policy, workload=LOAD, images_ready=True, faults=False)
    for _ in range(seconds):
        world.run_for(1)
        stats = world.stats
        outcome.used.append(stats["cpu_permille"] / 10)
        outcome.spread.append(stats["cpu_spread_permille"] / 10)
        outcome.piece.append(stats["cpu_free_max_milli"] / 1000)
        outcome.waiting.append(int(stats["waiting"]))
    outcome.stats = dict(world.stats)
    problems = world.check()
    if problems:
        raise SystemExit("\n".join(problems))
    return outcome


def table(outcomes: list[Outcome]) -> str:
    """One line a policy; the last half of the time, when the cluster is as full as it gets."""
    rows = [
        f"{'policy':<12}{'placed':>8}{'gave up':>9}{'waiting':>9}{'running after ms':>18}{'p95':>9}"
        f"{'CPU in use':>12}{'deviation':>11}{'largest piece':>15}"
    ]
    for one in outcomes:
        late = slice(len(one.used) // 2, None)
        used, spread, piece = (mean(values[late]) for values in (one.used, one.spread, one.piece))
        rows.append(
            f"{one.name:<12}{one.stats['placements']:>8}{one.stats['given_up']:>9}{mean(one.waiting[late]):>9.1f}"
            f"{one.stats['running_p50_ms']:>18.0f}{one.stats['running_p95_ms']:>9.0f}"
            f"{used:>10.1f} %{spread:>11.1f}{piece:>9.1f} cores"
        )
    return "\n".join(rows)


def mean(values: list[float] | list[int]) -> float:
    """Of at least one value."""
    return sum(values) / len(values)


def plot(outcomes: list[Outcome], path: str) -> bool:
    """Write the picture; False when matplotlib is not installed."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = [
        ("CPU in use: mean of the nodes, %", [one.used for one in outcomes]),
        ("How unlike the nodes are: standard deviation, points", [one.spread for one in outcomes]),
        ("Largest piece that is left on one node, cores", [one.piece for one in outcomes]),
        ("Sandboxes that wait for a place", [one.waiting for one in outcomes]),
    ]
    figure, grid = pyplot.subplots(2, 2, figsize=(11, 7), sharex=True, layout="constrained")
    for axes, (title, series) in zip(grid.flat, panels, strict=True):
        for one, values, colour in zip(outcomes, series, ("#1f6feb", "#d9730d"), strict=False):
            axes.plot(range(1, len(values) + 1), values, color=colour, linewidth=1.4, label=one.name)
        axes.set_title(title, fontsize=10, loc="left")
        axes.set_ylim(bottom=0)
        axes.margins(x=0.01)
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in grid[1]:
        axes.set_xlabel("simulated seconds")
    handles, names = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper right", ncols=len(names), frameon=False)
    figure.suptitle("Two policies, one load", x=0.01, ha="left", y=0.985, fontsize=13)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("policies", nargs="*", metavar="POLICY", help="two of them (default: spread pack)")
    parser.add_argument("--nodes", type=int, default=40)
    parser.add_argument("--seconds", type=int, default=180)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plot", default="policies.png")
    arguments = parser.parse_args()
    policies = arguments.policies or ["spread", "pack"]
    if len(policies) != 2:
        parser.error("two policies are compared: name two, or none for spread and pack")
    outcomes = [run(policy, arguments.nodes, arguments.seconds, arguments.seed) for policy in policies]
    print(table(outcomes))
    if plot(outcomes, arguments.plot):
        print(f"plotted to {arguments.plot}")
    else:
        print("install matplotlib for a picture: python -m pip install 'sandboxd[plot]'")


if __name__ == "__main__":
    main()
