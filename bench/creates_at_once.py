"""Fifty creates at once on one node, until the last one's port answers, against the floor's fifty at once.

    sudo python bench/creates_at_once.py [--count 50] [--rounds 5] [--handlers runc,runsc] [--floor PATH]

Ours: POST /v1/sandboxes on the node, one connection each, sent together; the node's watch stream until all run; an
answer on each published port. Floor: as in create_to_running.py, all calls side by side, in namespaces made before.
Taken in turn. The ratio is that of the throughputs, which is that of the times. Results go to bench/results/.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cluster import figures, write_results
from create_to_running import CPU, answers, default_floor, make_namespace, start_floor, template_id
from support import images
from support.instance import Instance
from support.leak_checker import run

MEMORY = "128Mi"
LIMIT_SECONDS = 300.0


def body_of(id: str, handler: str, port: int) -> str:
    """A create of the node's API: the template's container, asking the machine for less than it may use."""
    container = {
        "name": "main",
        "image": images.WEB,
        "resource": {"cpu": CPU, "memory": MEMORY},
        "requestCPUMilli": 10,
    }
    ports = [{"hostPort": port, "containerPort": 8000, "protocol": "tcp"}]
    return json.dumps({"id": id, "egress": False, "runtime": handler, "ports": ports, "containers": [container]})


class Watch:
    """The node's watch stream in a thread: when the last of a set of sandboxes runs."""

    def __init__(self, instance: Instance, ids: set[str]) -> None:
        self.waiting = set(ids)
        self.done = threading.Event()
        self.failure = ""
        self.connection = http.client.HTTPConnection("127.0.0.1", instance.node_port, timeout=LIMIT_SECONDS)
        self.connection.request("GET", "/v1/watch")
        self.answer = self.connection.getresponse()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while self.waiting and not self.failure:
            line = self.answer.readline()
            if line.startswith(b"data:"):
                item = json.loads(line[5:])
                if item.get("phase") == "running":
                    self.waiting.discard(item["id"])
                elif item.get("phase") == "error" and item["id"] in self.waiting:
                    self.failure = f"{item['id']}: {item.get('error')}"
        self.done.set()

    def wait(self) -> None:
        """Until all of them run."""
        if not self.done.wait(LIMIT_SECONDS) or self.failure:
            sys.exit(f"not all run: {self.failure or sorted(self.waiting)}")
        self.connection.close()


def call(instance: Instance, method: str, path: str, body: str | None = None) -> None:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", instance.node_port, timeout=LIMIT_SECONDS)
    connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    if answer.status >= 300:
        sys.exit(f"{method} {path}: {answer.status} {text}")


def ours(instance: Instance, handler: str, number: int, count: int) -> dict[str, float]:
    """Milliseconds from the first request until all were accepted, run, and answer."""
    low = int(instance.environment["SANDBOXD_HOST_PORT_MAX"]) - count
    ports = {f"at-once-{number}-{one}": low + one for one in range(count)}
    watch = Watch(instance, set(ports))
    with ThreadPoolExecutor(count) as pool:
        bodies = {id: body_of(id, handler, port) for id, port in ports.items()}
        begin = time.perf_counter()
        list(pool.map(lambda id: call(instance, "POST", "/v1/sandboxes", bodies[id]), bodies))
        accepted = time.perf_counter()
        watch.wait()
        running = time.perf_counter()
        list(pool.map(lambda port: answers(port, time.monotonic() + LIMIT_SECONDS), ports.values()))
        answering = time.perf_counter()
        list(pool.map(lambda id: call(instance, "DELETE", f"/v1/sandboxes/{id}"), ports))
    moments = {"accepted_ms": accepted, "running_ms": running, "answering_ms": answering}
    return {name: (moment - begin) * 1000 for name, moment in moments.items()}


def measure(instance: Instance, floor_path: Path, handler: str, rounds: int, count: int) -> dict[str, Any]:
    """Ours and the floor in turn for one handler."""
    names = [f"sbxt-fl-{instance.name}-{one}" for one in range(count)]
    spaces = [make_namespace(instance, name, one) for one, name in enumerate(names)]
    floor = start_floor(instance, floor_path, handler)
    mine: list[dict[str, float]] = []
    bare: list[float] = []
    try:
        for number in range(rounds + 1):
            one = ours(instance, handler, number, count)
            other = floor.measure(*((f"floor-{number}-{at:03}", space) for at, space in enumerate(spaces)))
            sys.stderr.write(f"{handler} {number}/{rounds}: ours {one['answering_ms']:.0f} ms, floor {other:.0f} ms\n")
            if number > 0:  # the first warms both
                mine.append(one)
                bare.append(other)
    finally:
        floor.close()
        for name in names:
            run("ip", "netns", "delete", name)
        instance.delete(template_id(handler))
        instance.wait_gone(template_id(handler))
    result: dict[str, Any] = {"count": count, "floor_ms": figures(bare)}
    for field in mine[0]:
        result[field] = figures([one[field] for one in mine])
    result["ratio_p50"] = round(result["answering_ms"]["p50"] / result["floor_ms"]["p50"], 3)
    return result


def main() -> None:
    """Measure, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--handlers", default="runc,runsc")
    parser.add_argument("--floor", type=Path)
    arguments = parser.parse_args()
    instance = Instance(sandboxes_max=4 * arguments.count + 1)
    results: dict[str, Any] = {"cpus": os.cpu_count()}
    try:
        instance.up()
        for handler in arguments.handlers.split(","):
            floor = arguments.floor or default_floor()
            results[handler] = measure(instance, floor, handler, arguments.rounds, arguments.count)
    finally:
        for problem in instance.destroy():
            sys.stderr.write(problem + "\n")
    for handler in arguments.handlers.split(","):
        result = results[handler]
        n = result["floor_ms"]["n"]
        times = "   ".join(
            f"{name[:-3]} p50 {result[name]['p50']:.0f} max {result[name]['max']:.0f} ms"
            for name in ("accepted_ms", "running_ms", "answering_ms", "floor_ms")
        )
        print(f"{handler:6} {arguments.count} at once, n {n}   {times}   ratio {result['ratio_p50']}")
    write_results("creates_at_once", results)


if __name__ == "__main__":
    main()
