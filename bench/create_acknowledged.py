"""How long until a create is acknowledged, and how many a second: durable, synchronous FULL, over HTTP keep-alive.

    python bench/create_acknowledged.py [--rounds 25] [--creates 20000] [--connections 64] [--nodes 100]

Ours: the production control plane with SQLite in a temporary directory, HTTP on loopback, and memory nodes (the
production node agent on a simulated runtime) reached over HTTP: scheduling, effects and the nodes' news are included.
Floor of one client: a bare SQLite commit of the same row with the same schema and settings, taken in turn with the
creates. Syncs are counted in the control plane; a single client's creates must have caused one each. Results go to
bench/results/.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cluster import Cluster, Program, figures, write_results

PER_ROUND = 20


def one_client(cluster: Cluster, load: Program, rounds: int) -> dict[str, Any]:
    """A create and a bare commit in turn."""
    load.ask("1 50 warm")
    cluster.wait_running()
    floor = Program("bench_commit_floor", cluster.directory, cluster.database)
    ours: list[float] = []
    bare: list[float] = []
    before = cluster.syncs()
    for number in range(rounds + 1):
        latencies = [int(word) / 1000 for word in load.ask(f"1 {PER_ROUND} single-{number}")[1:]]
        commits = [int(word) / 1000 for word in floor.ask(str(PER_ROUND))]
        if number > 0:  # the first warms both
            ours += latencies
            bare += commits
    syncs = cluster.syncs() - before
    floor.close()
    creates = (rounds + 1) * PER_ROUND
    if syncs < creates:
        sys.exit(f"{creates} creates, one after another, were acknowledged with {syncs} syncs: not durable")
    result: dict[str, Any] = {"create_ms": figures(ours), "floor_ms": figures(bare), "syncs": syncs, "creates": creates}
    for percentile in ("p50", "p95"):
        ratio = result["create_ms"][percentile] / result["floor_ms"][percentile]
        result[f"ratio_{percentile}"] = round(ratio, 2)
    return result


def many_clients(cluster: Cluster, load: Program, connections: int, creates: int, run: int) -> dict[str, Any]:
    """Acknowledged creates a second, and what every thread did meanwhile and until all sandboxes run."""
    programs = {"control plane": cluster.control_plane, "nodes": cluster.nodes, "load": load}
    before = {name: one.cpu() for name, one in programs.items()}
    syncs = cluster.syncs()
    words = [int(word) for word in load.ask(f"{connections} {creates} many-{run}")]
    acknowledged = {name: one.cpu() for name, one in programs.items()}
    syncs = cluster.syncs() - syncs
    begin = time.monotonic()
    cluster.wait_running()
    work: dict[str, float] = {}
    for name, threads in acknowledged.items():
        for thread, seconds in threads.items():
            spent = (seconds - before[name].get(thread, 0.0)) * 1e6 / creates
            if spent >= 0.5:
                work[f"{name}: {thread}"] = round(spent, 1)
    return {
        "creates_per_second": round(creates / words[0] * 1e6),
        "latency_ms": figures([word / 1000 for word in words[1:]]),
        "creates_per_sync": round(creates / max(1, syncs), 1),
        "work_us_per_create": work,
        "work_us_per_create_total": round(sum(work.values()), 1),
        "seconds_until_all_run": round(time.monotonic() - begin, 2),
    }


def main() -> None:
    """Measure, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--creates", type=int, default=20_000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Cluster(Path(folder), arguments.nodes) as cluster:
        load = Program("bench_create_load", cluster.port)
        single = one_client(cluster, load, arguments.rounds)
        print(
            f"1 client   create p50 {single['create_ms']['p50']} p95 {single['create_ms']['p95']} ms   commit p50 "
            f"{single['floor_ms']['p50']} p95 {single['floor_ms']['p95']} ms   n {single['create_ms']['n']}   "
            f"ratio p50 {single['ratio_p50']} p95 {single['ratio_p95']}   syncs {single['syncs']} for "
            f"{single['creates']} creates"
        )
        runs = []
        for run in range(arguments.runs):
            many = many_clients(cluster, load, arguments.connections, arguments.creates, run)
            runs.append(many)
            latency = many["latency_ms"]
            print(
                f"{arguments.connections} clients   {many['creates_per_second']} creates/s   p50 {latency['p50']} p95 "
                f"{latency['p95']} ms   {many['creates_per_sync']} a sync   work {many['work_us_per_create_total']} us "
                f"a create: {many['work_us_per_create']}   all run {many['seconds_until_all_run']} s later"
            )
        load.close()
    median = statistics.median(run["creates_per_second"] for run in runs)
    results = {"cpus": os.cpu_count(), "one_client": single, "many_clients": runs, "creates_per_second_p50": median}
    write_results("create_acknowledged", results)


if __name__ == "__main__":
    main()
