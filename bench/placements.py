"""How many sandboxes a second the scheduler places on 10,000 nodes, and how good its choices are.

    python bench/placements.py [--nodes 10000] [--placements 200000] [--repeat 3] [--policies spread,pack]

A heterogeneous cluster is kept 70 % full; requests have selectors, ports, images and owners. A placement is: search,
host ports, reservation, and the release of another sandbox. Each decision is checked by a ledger that shares no code
with the scheduler. The floor in the same run is a full scan: the same rules over every node, which also says what the
best score would have been. A whole turn is measured too: records, reservations, transaction and events of 1000 creates.
Results go to bench/results/.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def default_binary() -> Path:
    """The executable in the newest build tree that has one."""
    found = sorted(ROOT.glob("build/**/bench/placements"), key=lambda path: path.stat().st_mtime)
    if not found:
        sys.exit("no bench/placements in build/: build it (target placements), or name it with --binary")
    return found[-1]


def measure(binary: Path, nodes: int, placements: int, policy: str, repeat: int) -> dict[str, Any]:
    """Run several times; medians of everything that is a number."""
    runs: list[dict[str, Any]] = []
    for number in range(repeat):
        command = [str(binary), str(nodes), str(placements), policy]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)} failed: {done.stderr.strip()}")
        runs.append(json.loads(done.stdout))
        sys.stderr.write(f"\r{policy} {number + 1}/{repeat}")
    sys.stderr.write("\n")
    median = {
        key: statistics.median(run[key] for run in runs)
        for key, value in runs[0].items()
        if isinstance(value, int | float)
    }
    return {
        "policy": runs[0]["policy"],
        "runs": repeat,
        **median,
        "best_per_s": max(r["placements_per_s"] for r in runs),
    }


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--placements", type=int, default=200_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--policies", default="spread,pack,original")
    parser.add_argument("--binary", type=Path)
    arguments = parser.parse_args()
    binary = arguments.binary or default_binary()
    results = [
        measure(binary, arguments.nodes, arguments.placements, policy, arguments.repeat)
        for policy in arguments.policies.split(",")
    ]
    for result in results:
        print(
            f"{result['policy']:9} {result['placements_per_s']:9,.0f} /s (best {result['best_per_s']:,.0f})   "
            f"score {100 * result['score_ratio_mean']:.1f} % of best (p5 {100 * result['score_ratio_p5']:.1f})   "
            f"search {result['search_us']:.1f} us, full scan {result['full_scan_us']:.0f} us: "
            f"{result['times_faster']:.0f} times faster   whole turn {result['turn_creates_per_s']:,.0f} creates/s   "
            f"10,000 wait in vain: a gain {result['waiting_alike_event_us'] / 1e3:.1f} ms when alike, "
            f"{result['waiting_unlike_event_us'] / 1e3:.1f} when not, turn {result['waiting_turn_us'] / 1e3:.1f}   "
            f"n {result['placements']:,.0f} checked, {result['fill_percent']:.0f} % full"
        )
    folder = ROOT / "bench/results"
    folder.mkdir(exist_ok=True)
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    report = {"figure": "placements", "at": now, "cpus": os.cpu_count(), "results": results}
    (folder / f"placements-{now}.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
