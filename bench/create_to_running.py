"""How long from a create until the sandbox runs and its published port answers, against what containerd alone needs.

    sudo python bench/create_to_running.py [--rounds 30] [--handlers runc,runsc] [--floor PATH]

Ours: POST /api/v1/sandboxes, the watch stream until Running, and a TCP answer on the published port of 127.0.0.1; no
pool of started sandboxes. Floor: Snapshots.Prepare, Containers.Create, Tasks.Create, Tasks.Start on the same containerd
with the same image, limits, mounts and runtime options in a ready network namespace (bench/containerd_floor.cpp).
Both are taken in turn within one run, so that a noisy machine is as noisy for both. Results go to bench/results/.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CPU = "800m"  # two of them fit on a machine with two cores: the template of the floor, and the one that is measured
sys.path.insert(0, str(ROOT / "tests/py"))

from support import images  # noqa: E402
from support.instance import Instance, make_spec  # noqa: E402
from support.leak_checker import namespaces, run  # noqa: E402


def default_floor() -> Path:
    """The floor's executable in the newest build tree that has one."""
    found = sorted(ROOT.glob("build/**/bench/containerd_floor"), key=lambda path: path.stat().st_mtime)
    if not found:
        sys.exit("no bench/containerd_floor in build/: build it (target containerd_floor), or name it with --floor")
    return found[-1]


class Floor:
    """The floor's process: one container a line."""

    def __init__(self, executable: Path, instance: Instance, key: str, netns: str) -> None:
        command = [str(executable), str(instance.containerd_socket), key, netns]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.line() == "ready"

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def measure(self, *places: tuple[str, str]) -> float:
        """Milliseconds of creating and starting a container at each place (key, namespace), all at once."""
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(f"{key} {netns}" for key, netns in places) + "\n")
        self.process.stdin.flush()
        answer = self.line()
        removed = self.line()
        if " error " in answer or not removed.endswith("removed"):
            sys.exit(f"the floor failed: {answer}; {removed}")
        return int(answer.split()[1]) / 1000

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)


def make_namespace(instance: Instance, name: str, number: int = 1) -> str:
    """A ready network namespace as a slot is, with one of the last addresses of the subnet."""
    bridge = f"sbx-br{instance.name}"
    subnet = ipaddress.ip_network(instance.subnet)
    for command in (
        f"ip netns add {name}",
        f"ip link add sbxt-fl{number} type veth peer name eth0 netns {name}",
        f"ip link set sbxt-fl{number} master {bridge} up",
        f"ip -n {name} link set lo up",
        f"ip -n {name} addr add {subnet[-1 - number]}/{subnet.prefixlen} dev eth0",
        f"ip -n {name} link set eth0 up",
    ):
        subprocess.run(command.split(), check=True)
    return f"/run/netns/{name}"


def answers(port: int, deadline: float) -> None:
    """Until something is served on 127.0.0.1:port."""
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 2) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                if connection.recv(16).startswith(b"HTTP/1."):
                    return
        except OSError:
            pass
        if time.monotonic() > deadline:
            sys.exit(f"port {port} does not answer")


def ours(instance: Instance, id: str, spec: dict[str, Any]) -> dict[str, float]:
    """Milliseconds from the request to: acknowledged, Running on the stream, an answer on the port."""
    with instance.client.stream("GET", f"/api/v1/watch?sandbox={id}") as stream:
        lines = stream.iter_lines()
        next(lines)  # the stream's greeting: nothing is missed from here on
        begin = time.perf_counter()
        answer = instance.client.post("/api/v1/sandboxes", json={"id": id, "spec": spec})
        acknowledged = time.perf_counter()
        if answer.status_code != 201:
            sys.exit(f"create failed: {answer.text}")
        for line in lines:
            if not line.startswith("data:"):
                continue
            status = (json.loads(line[5:]).get("sandbox") or {}).get("status", {})
            if status.get("phase") == "Failed":
                sys.exit(f"{id} failed: {status}")
            if status.get("phase") == "Running":
                break
        running = time.perf_counter()
        port = status["assigned_ports"][0]["host_port"]
        answers(port, time.monotonic() + 10)
        served = time.perf_counter()
    return {
        "acknowledged_ms": (acknowledged - begin) * 1000,
        "running_ms": (running - begin) * 1000,
        "answering_ms": (served - begin) * 1000,
    }


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


def template_id(handler: str) -> str:
    """The sandbox whose container the floor copies."""
    return f"template-{handler}"


def start_floor(instance: Instance, floor_path: Path, handler: str) -> Floor:
    """The floor beside a running template."""
    id = template_id(handler)
    spec = make_spec(image=images.WEB, ports=(8000,), cpu=CPU, memory="128Mi", runtime=handler)
    # Without the in-sandbox agent, which is ours; the floor is the image's own command.
    answer = instance.client.post("/api/v1/sandboxes", json={"id": id, "spec": spec | {"agent": False}})
    answer.raise_for_status()
    instance.wait_phase(id, "Running")
    item = instance.node_get(f"/v1/sandboxes/{id}")["sandbox"]
    key = next(iter(item["containers"].values()))["id"]
    slot = next(name for name, address in namespaces(instance).items() if address == item["ip"])
    return Floor(floor_path, instance, key, f"/run/netns/{slot}")


def measure(instance: Instance, floor_path: Path, handler: str, rounds: int) -> dict[str, Any]:
    """Interleave ours and the floor for one handler."""
    spec = make_spec(image=images.WEB, ports=(8000,), cpu=CPU, memory="128Mi", runtime=handler)
    netns = make_namespace(instance, f"sbxt-floor-{instance.name}")
    floor = start_floor(instance, floor_path, handler)
    mine: list[dict[str, float]] = []
    bare: list[float] = []
    try:
        for number in range(rounds + 2):
            id = f"b-{handler}-{number}"
            one = ours(instance, id, spec)
            instance.delete(id)
            instance.wait_gone(id)
            other = floor.measure((f"floor-{handler}-{number}", netns))
            if number >= 2:  # the first two warm caches of both
                mine.append(one)
                bare.append(other)
                sys.stderr.write(f"\r{handler} {number - 1}/{rounds}")
        sys.stderr.write("\n")
    finally:
        floor.close()
        run("ip", "netns", "delete", f"sbxt-floor-{instance.name}")
        instance.delete(template_id(handler))
        instance.wait_gone(template_id(handler))
    result: dict[str, Any] = {"floor_ms": figures(bare)}
    for field in ("acknowledged_ms", "running_ms", "answering_ms"):
        result[field] = figures([one[field] for one in mine])
    result["ratio_p50"] = round(result["answering_ms"]["p50"] / result["floor_ms"]["p50"], 3)
    result["ratio_p95"] = round(result["answering_ms"]["p95"] / result["floor_ms"]["p95"], 3)
    return result


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--handlers", default="runc,runsc")
    parser.add_argument("--floor", type=Path)
    arguments = parser.parse_args()
    floor = arguments.floor or default_floor()
    instance = Instance()
    results: dict[str, Any] = {}
    try:
        instance.up()
        for handler in arguments.handlers.split(","):
            results[handler] = measure(instance, floor, handler, arguments.rounds)
    finally:
        for problem in instance.destroy():
            sys.stderr.write(problem + "\n")
    for handler, result in results.items():
        floor_ms, own = result["floor_ms"], result["answering_ms"]
        print(
            f"{handler:6} ours p50 {own['p50']:7.1f} p95 {own['p95']:7.1f} ms   "
            f"floor p50 {floor_ms['p50']:7.1f} p95 {floor_ms['p95']:7.1f} ms   "
            f"n {own['n']}   ratio p50 {result['ratio_p50']} p95 {result['ratio_p95']}"
        )
    folder = ROOT / "bench/results"
    folder.mkdir(exist_ok=True)
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    report = {"figure": "create_to_running", "at": now, "cpus": os.cpu_count(), "results": results}
    (folder / f"create_to_running-{now}.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
