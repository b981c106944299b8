"""What a node agent with many idle sandboxes costs: its memory, the time of its answers, deletes among them.

    sudo python bench/node_api.py [--sandboxes 300] [--rounds 200] [--deletes 20]

Idle runc sandboxes, made through the control plane. Aims: status of 200 sandboxes within 5 ms, the node agent's memory
at most 60 MiB, a delete answered within 5 ms with the work behind it: at the control plane, and at the node with
wait=false (without it a node answers when all is gone, as the original's does). Floor: GET /healthz on the same
connection, in turn.
Results go to bench/results/.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from cluster import ROOT, figures, write_results

sys.path.insert(0, str(ROOT / "tests/py"))

from support import images
from support.instance import Instance
from support.waiting import wait_until

MIB = 1024
SETTLED_S = 35  # the node agent gives back with every comparison (15 s) what was left with its allocator


def sizes(pid: int) -> dict[str, float]:
    """MiB of a process: resident, and of it its own and unnamed."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    wanted = {"resident_mib": "VmRSS", "anonymous_mib": "RssAnon", "peak_mib": "VmHWM"}
    return {name: round(int(fields[field].split()[0]) / MIB, 1) for name, field in wanted.items()}


class Caller:
    """One keep-alive connection."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def ask(self, method: str, path: str, body: Any = None) -> tuple[float, Any]:
        """Milliseconds until the whole answer was there, and the answer."""
        text = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"} if text else {}
        begin = time.perf_counter()
        self.connection.request(method, path, text, headers)
        answer = self.connection.getresponse()
        data = answer.read()
        took = (time.perf_counter() - begin) * 1000
        if answer.status >= 300:
            sys.exit(f"{method} {path}: {answer.status} {data.decode()}")
        return took, json.loads(data)


def start_all(instance: Instance, count: int) -> list[str]:
    """Idle sandboxes, all running."""
    ids = [f"idle-{number}" for number in range(count)]
    for id in ids:
        instance.create(id, image=images.BOX, args=["/bin/sleep", "36000"], cpu="4m", memory="32Mi", runtime="runc")

    def all_run() -> bool:
        phases = [item["status"]["phase"] for item in instance.get("/api/v1/sandboxes")["items"]]
        if "Failed" in phases:
            sys.exit(f"a sandbox failed\n{instance.log_tail()}")
        return phases.count("Running") == count

    wait_until(all_run, "all running", 900, every=1)
    return ids


def answers(instance: Instance, ids: list[str], rounds: int) -> dict[str, list[float]]:
    """Every call in turn."""
    node, orch = Caller(instance.node_port), Caller(instance.orch_port)
    batch = {"ids": ids[:200]}
    calls = (
        ("node: health, the floor", node, "GET", "/healthz", None),
        ("node: status of 200", node, "POST", "/v1/sandboxes/statuses", batch),
        ("node: list, a page of 200", node, "GET", "/v1/sandboxes?limit=200", None),
        ("node: get", node, "GET", f"/v1/sandboxes/{ids[0]}", None),
        ("control plane: health, the floor", orch, "GET", "/healthz", None),
        ("control plane: list, all", orch, "GET", "/api/v1/sandboxes", None),
        ("control plane: get", orch, "GET", f"/api/v1/sandboxes/{ids[0]}", None),
    )
    samples: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, caller, method, path, body in calls:
            took, answer = caller.ask(method, path, body)
            if name == "node: status of 200" and len(answer["items"]) != len(batch["ids"]):
                sys.exit(f"{len(answer['items'])} states of {len(batch['ids'])} sandboxes")
            samples.setdefault(name, []).append(took)
    return samples


def deletes(instance: Instance, ids: list[str], count: int) -> dict[str, list[float]]:
    """One after another: at the control plane, at the node, and at the node without waiting for the end."""
    node, orch = Caller(instance.node_port), Caller(instance.orch_port)
    samples: dict[str, list[float]] = {}
    ways = (
        ("control plane: delete", orch, "/api/v1/sandboxes/{}"),
        ("node: delete", node, "/v1/sandboxes/{}"),
        ("node: delete, wait=false", node, "/v1/sandboxes/{}?wait=false"),
    )
    for _ in range(count):
        for name, caller, path in ways:
            id = ids.pop()
            begin = time.perf_counter()
            took, _ = caller.ask("DELETE", path.format(id))
            samples.setdefault(f"{name}, answered", []).append(took)
            wait_until(lambda id=id: is_gone(instance, id), f"{id} gone", 60, every=0.005)  # type: ignore[misc]
            samples.setdefault(f"{name}, until gone", []).append((time.perf_counter() - begin) * 1000)
    return samples


def is_gone(instance: Instance, id: str) -> bool:
    """The node knows nothing of it any more: everything it was made of is removed."""
    return instance.node_client.get(f"/v1/sandboxes/{id}").status_code == 404


def main() -> None:
    """Measure, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sandboxes", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--deletes", type=int, default=20)
    arguments = parser.parse_args()
    environment = {"SANDBOXD_PROVISION_PARALLEL": "32", "SANDBOXD_CONTAINER_CREATE_TIMEOUT": "5m"}
    instance = Instance(environment=environment, sandboxes_max=arguments.sandboxes)
    results: dict[str, Any] = {"cpus": os.cpu_count(), "sandboxes": arguments.sandboxes}
    try:
        instance.up()
        pids = {role: instance.pid(role) for role in ("node", "orch", "containerd")}
        results["memory_empty"] = {role: sizes(pid) for role, pid in pids.items() if pid}
        ids = start_all(instance, arguments.sandboxes)
        samples = answers(instance, ids, arguments.rounds)
        time.sleep(SETTLED_S)
        results["memory"] = {role: sizes(pid) for role, pid in pids.items() if pid}
        samples |= deletes(instance, ids, arguments.deletes)
        results["ms"] = {name: figures(values) for name, values in samples.items()}
    finally:
        for problem in instance.destroy():
            sys.stderr.write(problem + "\n")
    for name, value in results["ms"].items():
        print(f"{name:34} p50 {value['p50']:8.2f} p95 {value['p95']:8.2f} ms   n {value['n']}")
    for moment in ("memory_empty", "memory"):
        count = arguments.sandboxes if moment == "memory" else 0
        for role, row in results[moment].items():
            print(f"{role:12} with {count:3} sandboxes: {row}")
    write_results("node_api", results)


if __name__ == "__main__":
    main()
