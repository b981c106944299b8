"""What many sandboxes cost the control plane: memory, a list, a restart.

    python bench/control_plane_size.py [--sandboxes 100000] [--listed 10000] [--nodes 100]

The sandboxes are created over HTTP and run on memory nodes in another process, so the memory is the control plane's
alone. List: GET of all of the first --listed, against the same bytes from a bare loopback socket. Restart: from the
start of the process until it answers for one sandbox; its floor is reading all rows with SQLite. Results go to
bench/results/.
"""

from __future__ import annotations

import argparse
import os
import socket
import sqlite3
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from cluster import HOST, Cluster, Program, figures, write_results

FILL_CONNECTIONS = 64


def fill(cluster: Cluster, count: int, prefix: str) -> None:
    """Creates sandboxes and waits until they run."""
    load = Program("bench_create_load", cluster.port)
    load.ask(f"{FILL_CONNECTIONS} {count} {prefix}")
    load.close()
    cluster.wait_running()


def over_bare_socket(size: int) -> float:
    """Milliseconds for so many bytes over a loopback connection of its own."""
    payload = bytes(size)
    listener = socket.create_server((HOST, 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1024)
            connection.sendall(payload)

    thread = threading.Thread(target=serve)
    thread.start()
    begin = time.perf_counter()
    with socket.create_connection(listener.getsockname()) as client:
        client.sendall(b"GET")
        left = size
        while left > 0:
            left -= len(client.recv(1 << 20))
    took = (time.perf_counter() - begin) * 1000
    thread.join()
    listener.close()
    return took


def lists(cluster: Cluster, rounds: int) -> dict[str, Any]:
    """A list of everything and the bare transfer, in turn."""
    ours: list[float] = []
    work: list[float] = []
    bare: list[float] = []
    size = 0
    for _ in range(rounds):
        before = sum(cluster.control_plane.cpu().values())
        begin = time.perf_counter()
        _, body = cluster.raw("GET", "/api/v1/sandboxes")
        ours.append((time.perf_counter() - begin) * 1000)
        work.append((sum(cluster.control_plane.cpu().values()) - before) * 1000)
        size = len(body)
        bare.append(over_bare_socket(size))
    return {"list_ms": figures(ours), "work_ms": figures(work), "floor_ms": figures(bare), "bytes": size}


def read_all_rows(database: Path) -> float:
    """Seconds that SQLite needs to hand out every row."""
    begin = time.perf_counter()
    connection = sqlite3.connect(database)
    for _ in connection.execute("SELECT * FROM sandboxes"):
        pass
    connection.close()
    return time.perf_counter() - begin


def restarts(cluster: Cluster, rounds: int) -> dict[str, Any]:
    """Until the first answer about a sandbox, elapsed and as work of the process."""
    elapsed: list[float] = []
    work: list[float] = []
    rows: list[float] = []
    known = cluster.request("GET", "/api/v1/sandboxes")["items"][0]["id"]
    for _ in range(rounds):
        cluster.control_plane.close()
        rows.append(read_all_rows(cluster.database))
        begin = time.perf_counter()
        cluster.start()
        cluster.request("GET", f"/api/v1/sandboxes/{known}")
        elapsed.append(time.perf_counter() - begin)
        work.append(sum(cluster.control_plane.cpu().values()))
    return {"restart_s": figures(elapsed), "work_s": figures(work), "floor_s": figures(rows)}


def main() -> None:
    """Measure, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sandboxes", type=int, default=100_000)
    parser.add_argument("--listed", type=int, default=10_000)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--restarts", type=int, default=3)
    arguments = parser.parse_args()
    results: dict[str, Any] = {"cpus": os.cpu_count(), "sandboxes": arguments.sandboxes, "listed": arguments.listed}
    with tempfile.TemporaryDirectory() as folder, Cluster(Path(folder), arguments.nodes) as cluster:
        results["empty_bytes"] = cluster.control_plane.memory()
        fill(cluster, arguments.listed, "listed")
        results["list"] = lists(cluster, arguments.rounds)
        print(f"list of {arguments.listed}: {results['list']}")
        fill(cluster, arguments.sandboxes - arguments.listed, "filled")
        for field in ("VmRSS", "VmHWM"):
            results[field] = cluster.control_plane.memory(field)
        print(f"{arguments.sandboxes} sandboxes: {results['VmRSS'] >> 20} MiB, at most {results['VmHWM'] >> 20} MiB")
        results["restart"] = restarts(cluster, arguments.restarts)
        results["VmRSS after restart"] = cluster.control_plane.memory()
        print(f"restart: {results['restart']}, then {results['VmRSS after restart'] >> 20} MiB")
    sys.stdout.flush()
    write_results("control_plane_size", results)


if __name__ == "__main__":
    main()
