"""What a change of the firewall costs with 1, 100 and 300 sandboxes, against one bare element of an unused set.

    python bench/firewall_change.py [--rounds 200] [--slots 1,100,300] [--repeat 1]

Root. The production network (libnftables, CNI bridges and namespaces, the forwarder of 127.0.0.1) on a private machine:
network and mount namespaces of its own, gone at the end. set_egress switches an allow-list with ports off and on,
publish and unpublish open and close one port; each is timed alone, from the call to the result, in turn with the floor:
adding or deleting one element in a table that nobody else uses, by the same library. Aim: under 3 ms each, and the same
with any number of sandboxes. Results go to bench/results/.
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
KINDS = ("floor", "set_egress", "publish", "unpublish")


def default_binary() -> Path:
    """The executable in the newest build tree that has one."""
    found = sorted(ROOT.glob("build/**/bench/bench_firewall_change"), key=lambda path: path.stat().st_mtime)
    if not found:
        sys.exit("no bench/bench_firewall_change in build/: build it, or name it with --binary")
    return found[-1]


def summary(times: list[float]) -> dict[str, float]:
    """Milliseconds."""
    ordered = sorted(times)
    return {
        "p50_ms": statistics.median(ordered) / 1e3,
        "p95_ms": ordered[int(0.95 * (len(ordered) - 1))] / 1e3,
        "max_ms": ordered[-1] / 1e3,
        "n": len(ordered),
    }


def measure(binary: Path, rounds: int, slots: list[str], repeat: int) -> dict[str, dict[str, Any]]:
    """Every run's times together, by number of slots and kind."""
    times: dict[str, dict[str, list[float]]] = {count: {kind: [] for kind in KINDS} for count in slots}
    for _ in range(repeat):
        command = [str(binary), str(rounds), *slots]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)} failed: {done.stderr.strip()}")
        for count, kinds in json.loads(done.stdout).items():
            for kind, values in kinds.items():
                times[count][kind] += values
    results: dict[str, dict[str, Any]] = {}
    for count, kinds in times.items():
        results[count] = {kind: summary(values) for kind, values in kinds.items()}
        for kind in KINDS[1:]:
            results[count][kind]["ratio"] = results[count][kind]["p50_ms"] / results[count]["floor"]["p50_ms"]
    return results


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--slots", default="1,100,300")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--binary", type=Path)
    arguments = parser.parse_args()
    slots = arguments.slots.split(",")
    results = measure(arguments.binary or default_binary(), arguments.rounds, slots, arguments.repeat)
    for count, kinds in results.items():
        for kind, figures in kinds.items():
            ratio = f"   {figures['ratio']:.1f} times the floor" if "ratio" in figures else ""
            print(
                f"{count:>4} sandboxes   {kind:10} p50 {figures['p50_ms']:.2f} ms   p95 {figures['p95_ms']:.2f}   "
                f"max {figures['max_ms']:.2f}   n {figures['n']}{ratio}"
            )
    folder = ROOT / "bench/results"
    folder.mkdir(exist_ok=True)
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    report = {"figure": "firewall_change", "at": now, "cpus": os.cpu_count(), "results": results}
    (folder / f"firewall_change-{now}.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
