"""What a control plane of 10,000 nodes and 100,000 sandboxes costs.

    python bench/fleet.py [--nodes 10000] [--sandboxes 100000] [--rounds 5] [--state PATH]

- Start and memory: the production engine on an SQLite database with so many sandboxes, in a process of its own
  (bench/control_plane_state.cpp), from opening the file until a list is answered. No floor: the aims are absolute.
- Burst: 200 creates in one instant against production agents on memory runtimes, in simulated time: from accepted to
  Running, which is later than from acknowledged to Running by one commit. The nodes have the image; runtime and network
  take what they take in the simulator, 71 ms of a create. In real time: burst.py.
- Heartbeats: CPU time of a minute of reports from so many nodes, in simulated time. The simulated nodes and network
  are part of it, the HTTP connections are not: the engine's own share is smaller.

Results go to bench/results/.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandboxd.sim import Workload, World

ROOT = Path(__file__).resolve().parents[1]
BURST = 200
WARM_UP_S = 30
MEASURED_S = 60


def default_state() -> Path:
    """The executable in the newest build tree that has one."""
    found = sorted(ROOT.glob("build/**/bench/control_plane_state"), key=lambda path: path.stat().st_mtime)
    if not found:
        sys.exit("no bench/control_plane_state in build/: build that target, or name it with --state")
    return found[-1]


def figures(values: list[float]) -> dict[str, float]:
    """Median, 95th percentile, extremes."""
    ordered = sorted(values)
    return {
        "n": len(ordered),
        "p50": round(statistics.median(ordered), 2),
        "p95": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], 2),
        "min": round(ordered[0], 2),
        "max": round(ordered[-1], 2),
    }


def measure_start(state: Path, nodes: int, sandboxes: int, rounds: int) -> dict[str, Any]:
    """Start the engine several times on one database."""
    with tempfile.TemporaryDirectory(prefix="sandboxd-bench-") as directory:
        database = str(Path(directory, "orchestrator.db"))
        subprocess.run([state, "fill", database, str(nodes), str(sandboxes)], check=True)
        runs = []
        for _ in range(rounds):
            answer = subprocess.run([state, "start", database], check=True, capture_output=True, text=True).stdout
            # Between log lines: no node can be reached.
            runs.append(json.loads(next(line for line in answer.splitlines() if line.startswith('{"start_ms"'))))
    if any(run["sandboxes"] != sandboxes for run in runs):
        sys.exit("a start did not find every sandbox")
    return {
        "start_ms": figures([run["start_ms"] for run in runs]),
        "start_cpu_ms": figures([run["cpu_ms"] for run in runs]),
        "resident_mib": figures([run["resident_bytes"] / 2**20 for run in runs]),
        "empty_mib": figures([run["empty_bytes"] / 2**20 for run in runs]),
    }


def measure_burst(rounds: int) -> dict[str, Any]:
    """All creates of a round in the same instant, on 40 nodes of 1 to 8 cores."""
    # One life each that goes on: nothing ends by itself, expires, or insists on what no node has.
    load = Workload(
        clients=BURST,
        live_max=1,
        pause_min_ms=2000,
        pause_max_ms=2000,
        cpu_milli_max=100,
        ports_max=0,
        ttl_permille=0,
        life_permille=0,
        selector_permille=0,
        pair_permille=0,
        ending_permille=0,
    )
    slowest, median = [], []
    for seed in range(1, rounds + 1):
        world = World(seed, nodes=40, faults=False, workload=load, images_ready=True)
        world.run_for(3.9)
        stats = world.stats
        if stats["running"] != BURST:
            sys.exit(f"{stats['creates_acknowledged']} of {BURST} creates were acknowledged, {stats['running']} run")
        median.append(stats["running_p50_ms"])
        slowest.append(stats["running_max_ms"])
    return {"running_p50_ms": figures(median), "running_last_ms": figures(slowest)}


def measure_heartbeats(nodes: int) -> dict[str, Any]:
    """The share of one core that a minute of reports takes."""
    world = World(1, nodes=nodes, light_nodes=True, faults=False, workload=False)
    world.run_for(WARM_UP_S)
    began = time.process_time()
    world.run_for(MEASURED_S)
    spent = time.process_time() - began
    return {"cpu_s": round(spent, 3), "core_percent": round(100 * spent / MEASURED_S, 2)}


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--sandboxes", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--state", type=Path)
    arguments = parser.parse_args()
    state = arguments.state or default_state()
    results: dict[str, Any] = {"nodes": arguments.nodes, "sandboxes": arguments.sandboxes}
    results["start"] = measure_start(state, arguments.nodes, arguments.sandboxes, arguments.rounds)
    results["burst"] = measure_burst(arguments.rounds)
    results["heartbeats"] = measure_heartbeats(arguments.nodes)
    start, burst, beats = results["start"], results["burst"], results["heartbeats"]
    rows = [
        ("start until a list is answered, ms", start["start_ms"], "2000"),
        ("CPU time of that, ms", start["start_cpu_ms"], "-"),
        ("resident memory then, MiB", start["resident_mib"], "1024"),
        (f"{BURST} creates at once: the last Running, ms", burst["running_last_ms"], "200"),
        (f"{BURST} creates at once: median Running, ms", burst["running_p50_ms"], "-"),
    ]
    print(f"{'figure':<46}{'n':>4}{'p50':>10}{'p95':>10}{'aim':>8}")
    for name, row, aim in rows:
        print(f"{name:<46}{row['n']:>4}{row['p50']:>10}{row['p95']:>10}{aim:>8}")
    print(f"{'heartbeats, % of one core':<46}{1:>4}{beats['core_percent']:>10}{'-':>10}{'10':>8}")
    folder = ROOT / "bench/results"
    folder.mkdir(exist_ok=True)
    file = folder / f"fleet-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    file.write_text(json.dumps(results, indent=2) + "\n")
    print(file.relative_to(ROOT))


if __name__ == "__main__":
    main()
