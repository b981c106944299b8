"""200 creates at once: how long after the last acknowledgement the last one is Running.

    python bench/burst.py [--creates 200] [--nodes 40] [--rounds 15]

Real time: the production control plane with SQLite (synchronous FULL), and memory nodes (the production node agent on a
simulated runtime that has the image and takes no time) reached over HTTP. Every create has a connection of its own, and
all are sent in one go; Running is when the event of /api/v1/watch is received. All of it shares this machine's cores,
so the work of a round is reported beside its time. Results go to bench/results/.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import selectors
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cluster import HOST, Cluster, figures, write_results

AIM_MS = 200
LIMIT_S = 60
SPEC = {
    "egress": False,
    "containers": [{"name": "main", "image": "registry.local/app:1", "resource": {"cpu": "100m", "memory": "64Mi"}}],
    "ports": [{"container_port": 8080, "protocol": "tcp"}],
}


class Arrivals:
    """What a socket received, with the time of each piece; read when the burst is over."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.pieces: list[tuple[float, bytes]] = []

    def receive(self) -> bytes:
        """The next piece; an end before its time ends the program."""
        piece = self.connection.recv(1 << 20)
        if not piece:
            sys.exit("the control plane closed a connection")
        self.pieces.append((time.monotonic(), piece))
        return piece


def connect(port: int) -> socket.socket:
    """A connection that sends at once."""
    connection = socket.create_connection((HOST, port), timeout=LIMIT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def create_request(sandbox: str) -> bytes:
    """The bytes of one create."""
    body = json.dumps({"id": sandbox, "spec": SPEC}).encode()
    head = f"POST /api/v1/sandboxes HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def watch(port: int) -> Arrivals:
    """A watch stream that has begun."""
    connection = connect(port)
    connection.sendall(f"GET /api/v1/watch HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    stream = Arrivals(connection)
    seen = b""
    while b": watching after revision" not in seen:
        seen += stream.receive()
    stream.pieces.clear()
    return stream


def running_since(stream: Arrivals, prefix: str) -> dict[str, float]:
    """When each sandbox was first seen Running. An event counts when its end was received."""
    times: dict[str, float] = {}
    text = b""
    for at, piece in stream.pieces:
        *lines, text = (text + piece).split(b"\n")
        for line in lines:
            if not line.startswith(b"data: ") or b'"Running"' not in line:
                continue
            sandbox = json.loads(line[len(b"data: ") :]).get("sandbox")
            if sandbox and sandbox["id"].startswith(prefix) and sandbox["status"]["phase"] == "Running":
                times.setdefault(sandbox["id"], at)
    return times


def is_complete(answer: Arrivals) -> bool:
    """Whether the answer to a create is there; any other than 201 ends the program."""
    data = b"".join(piece for _, piece in answer.pieces)
    head, end, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    if not end or length is None or len(body) < int(length[1]):
        return False
    if not data.startswith(b"HTTP/1.1 201 "):
        sys.exit(data.decode())
    return True


def burst(cluster: Cluster, prefix: str, creates: int) -> dict[str, float]:
    """One round."""
    stream = watch(cluster.port)
    answers = [Arrivals(connect(cluster.port)) for _ in range(creates)]
    requests = [create_request(f"{prefix}{number}") for number in range(creates)]
    selector = selectors.DefaultSelector()
    for one in [stream, *answers]:
        selector.register(one.connection, selectors.EVENT_READ, one)
    work = sum(cluster.control_plane.cpu().values()) + sum(cluster.nodes.cpu().values())
    begin = time.monotonic()
    for answer, request in zip(answers, requests, strict=True):
        answer.connection.sendall(request)
    acknowledged = hints = 0
    last_answer = begin
    times: dict[str, float] = {}
    while acknowledged < creates or len(times) < creates:
        ready = selector.select(LIMIT_S)
        if not ready:
            sys.exit(f"{acknowledged} of {creates} were acknowledged, {len(times)} run: nothing happens any more")
        for key, _ in ready:
            piece = key.data.receive()
            if key.data is stream:
                hints += piece.count(b'"Running"')
            elif is_complete(key.data):
                acknowledged += 1
                last_answer = key.data.pieces[-1][0]
        if acknowledged == creates and hints >= creates:
            times = running_since(stream, prefix)
    work = sum(cluster.control_plane.cpu().values()) + sum(cluster.nodes.cpu().values()) - work
    for one in [stream, *answers]:
        one.connection.close()
    return {
        "acknowledged_ms": (last_answer - begin) * 1e3,
        "running_after_ms": max(0.0, max(times.values()) - last_answer) * 1e3,
        "running_ms": (max(times.values()) - begin) * 1e3,
        "work_ms": work * 1e3,
    }


def main() -> None:
    """Measure, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--creates", type=int, default=200)
    parser.add_argument("--nodes", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    capacity = 2 * arguments.creates * (arguments.rounds + 1)
    with tempfile.TemporaryDirectory() as folder, Cluster(Path(folder), arguments.nodes, capacity) as cluster:
        cluster.wait_ready()
        rounds = [burst(cluster, f"burst-{number}-", arguments.creates) for number in range(arguments.rounds + 1)]
    measured = rounds[1:]  # the first warms
    names = {
        "acknowledged_ms": "from the first byte sent to the last acknowledgement",
        "running_after_ms": f"from there to the last Running (aim: {AIM_MS})",
        "running_ms": "from the first byte sent to the last Running",
        "work_ms": "processor time of control plane and nodes",
    }
    results: dict[str, Any] = {key: figures([one[key] for one in measured], 1) for key in names}
    print(f"{arguments.creates} creates at once, {arguments.nodes} nodes, {os.cpu_count()} cores; ms")
    print(f"{'':<56}{'n':>4}{'p50':>9}{'p95':>9}{'max':>9}")
    for key, name in names.items():
        row = results[key]
        print(f"{name:<56}{row['n']:>4}{row['p50']:>9}{row['p95']:>9}{row['max']:>9}")
    results |= {"creates": arguments.creates, "nodes": arguments.nodes, "cpus": os.cpu_count()}
    write_results("burst", results)


if __name__ == "__main__":
    main()
