"""How long the API takes, measured in a process of its own so that nothing else runs between question and answer."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import time
from multiprocessing.connection import Connection

PAUSE_SECONDS = 0.02


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: str | None = None) -> float:
    """Milliseconds until the whole answer is there. Any status counts: sandboxes come and go."""
    begin = time.perf_counter()
    connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
    connection.getresponse().read()
    return (time.perf_counter() - begin) * 1000


def probe(pipe: Connection, ports: tuple[int, int], ids: list[str]) -> None:
    """Ask control plane and node in turn until something comes through `pipe`; send the times back as JSON.

    This process comes before all others, so that its own waits for a processor are not taken for the API's.
    """
    os.setpriority(os.PRIO_PROCESS, 0, -15)
    orch, node = (http.client.HTTPConnection("127.0.0.1", port, timeout=60) for port in ports)
    batch = json.dumps({"ids": ids[:200]})
    samples: dict[str, list[float]] = {}
    for id in itertools.cycle(ids):
        for name, connection, method, path, body in (
            ("node: health, the floor", node, "GET", "/healthz", None),
            ("node: get", node, "GET", f"/v1/sandboxes/{id}", None),
            ("node: list, a page of 200", node, "GET", "/v1/sandboxes?limit=200", None),
            ("node: status of 200", node, "POST", "/v1/sandboxes/statuses", batch),
            ("node: its resources", node, "GET", "/v1/node/status", None),
            ("control plane: health, the floor", orch, "GET", "/healthz", None),
            ("control plane: get", orch, "GET", f"/api/v1/sandboxes/{id}", None),
            ("control plane: list, all", orch, "GET", "/api/v1/sandboxes", None),
            ("control plane: nodes", orch, "GET", "/api/v1/nodes", None),
        ):
            samples.setdefault(name, []).append(ask(connection, method, path, body))
            if pipe.poll(PAUSE_SECONDS):
                pipe.send(json.dumps(samples))
                return
