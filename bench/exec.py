"""What a command and a file cost through the node's routes, against what the agent itself needs inside.

    sudo python bench/exec.py [--rounds 300] [--handlers runc,runsc] [--megabytes 100]

Ours: POST .../exec of `true` with a distinct argument on a kept-alive connection. Floor: what the agent measured for
the same fork and exec (`spawn_ns` in the same answer). 20 at once: the time until all of 20 are answered, against the
sum of their spawns over the machine's cores. Throughput: the output of a command, and a file down and up, in MiB/s.
Results go to bench/results/.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PARALLEL = 20
sys.path.insert(0, str(ROOT / "tests/py"))

from support.instance import Instance  # noqa: E402


class Node:
    """One kept-alive connection to a sandbox's routes."""

    def __init__(self, instance: Instance, id: str) -> None:
        self.http = http.client.HTTPConnection("127.0.0.1", instance.node_port, timeout=120)
        self.path = f"/v1/sandboxes/{id}"

    def call(self, method: str, path: str, body: Any = None) -> bytes:
        self.http.request(method, self.path + path, body)
        answer = self.http.getresponse()
        data = answer.read()
        assert answer.status in (200, 201, 204), f"{method} {path}: {answer.status} {data[:200]!r}"
        return data

    def exec(self, *argv: str) -> dict[str, Any]:
        return dict(json.loads(self.call("POST", "/exec", json.dumps({"argv": argv, "keep_bytes": 65536}))))


def percentiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {"p50": round(statistics.median(ordered), 3), "p95": round(ordered[int(len(ordered) * 0.95)], 3)}


def one_by_one(node: Node, rounds: int) -> dict[str, Any]:
    """Milliseconds of each exec over HTTP, of its spawn inside, and of what is between."""
    whole, spawn, over = [], [], []
    for number in range(rounds + 20):
        before = time.perf_counter()
        done = node.exec("/bin/true", str(number))
        took = (time.perf_counter() - before) * 1e3
        assert done["command"]["exit_code"] == 0
        assert done["command"]["argv"][1] == str(number)
        if number < 20:
            continue
        whole.append(took)
        spawn.append(done["spawn_ns"] / 1e6)
        over.append(took - done["spawn_ns"] / 1e6)
    return {"n": rounds, "exec_ms": percentiles(whole), "spawn_ms": percentiles(spawn), "over_ms": percentiles(over)}


def at_once(instance: Instance, id: str, rounds: int) -> dict[str, Any]:
    """Milliseconds until 20 parallel execs are all answered, and the spawns' sum divided by the cores."""
    nodes = [Node(instance, id) for _ in range(PARALLEL)]
    whole, spawns = [], []
    with ThreadPoolExecutor(PARALLEL) as pool:
        for number in range(rounds):
            before = time.perf_counter()
            done = list(pool.map(lambda node, n=number: node.exec("/bin/true", str(n)), nodes))
            whole.append((time.perf_counter() - before) * 1e3)
            spawns.append(sum(one["spawn_ns"] for one in done) / 1e6)
    return {"n": rounds, "all_ms": percentiles(whole), "spawns_sum_ms": percentiles(spawns)}


def throughput(node: Node, megabytes: int) -> dict[str, float]:
    """MiB/s of a command's output, of a file up and of a file down."""
    script = f"yes a line of text as programs print it | head -c {megabytes << 20}"
    spec = {"argv": ["/bin/sh", "-c", script], "wait_for_reader": True}
    command = json.loads(node.call("POST", "/commands", json.dumps(spec)))["command"]["id"]
    before = time.perf_counter()
    body = node.call("GET", f"/commands/{command}/output?stream=true")
    output = megabytes / (time.perf_counter() - before)
    assert json.loads(body.splitlines()[-1])["command"]["stdout_bytes"] == megabytes << 20
    data = os.urandom(megabytes << 20)
    before = time.perf_counter()
    node.call("PUT", "/files?path=/bench", data)
    up = megabytes / (time.perf_counter() - before)
    before = time.perf_counter()
    got = node.call("GET", "/files?path=/bench")
    down = megabytes / (time.perf_counter() - before)
    assert got == data
    return {"megabytes": megabytes, "output": round(output, 1), "file_up": round(up, 1), "file_down": round(down, 1)}


def main() -> None:
    """Measure each handler and print and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--handlers", default="runc,runsc")
    arguments = parser.parse_args()
    results: dict[str, Any] = {}
    instance = Instance()
    try:
        instance.up()
        for handler in arguments.handlers.split(","):
            id = f"bench-{handler}"
            main_container = {
                "name": "main",
                "image": "sandboxd.test/box:1",
                "args": ["sleep", "100000"],
                "resource": {"cpu": "1500m", "memory": "512Mi", "ephemeral_storage": "1Gi"},
            }
            instance.create(id, containers=[main_container], runtime=handler)
            instance.wait_phase(id, "Running")
            node = Node(instance, id)
            results[handler] = one_by_one(node, arguments.rounds)
            results[handler]["at_once"] = at_once(instance, id, max(10, arguments.rounds // 10))
            results[handler]["mib_per_second"] = throughput(node, arguments.megabytes)
            print(handler, json.dumps(results[handler], indent=1), flush=True)
            instance.delete(id)
            instance.wait_gone(id)
    finally:
        instance.destroy()
    folder = ROOT / "bench/results"
    folder.mkdir(exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    (folder / f"exec-{stamp}.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
