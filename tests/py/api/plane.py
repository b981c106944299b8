"""A control plane as a process of its own, with a token; its nodes are fakes of the tests, so no containers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
from support.stock_node import StockNode
from support.waiting import wait_until

TOKEN = "hush"


class Plane:
    """Where it listens, and a client with its token."""

    def __init__(self, root: Path) -> None:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("SANDBOXD_", "ORCH_", "SBX_"))}
        read_end, write_end = os.pipe()
        words = ["orch", "--data-dir", str(root), "--run-dir", str(root), "--listen", "127.0.0.1:0", "--token", TOKEN]
        self.log = root / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sandboxd", *words, "--ready-fd", str(write_end)],
                stdout=log,
                stderr=log,
                pass_fds=[write_end],
                env={**kept, "SANDBOXD_CHECK_RUN": os.environ.get("SANDBOXD_CHECK_RUN", "")},
            )
        os.close(write_end)
        with os.fdopen(read_end) as ready:
            port = json.loads(ready.readline())["port"]
        self.spare_port = 0
        self.url = f"http://127.0.0.1:{port}"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        self.client = httpx.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False)

    def register(self, node: StockNode, id: str) -> None:
        answer = self.client.post("/api/v1/nodes", json={"id": id, "spec": {"ip": "127.0.0.1", "port": node.port}})
        assert answer.status_code == 200 and answer.json()["node"]["state"] == "Ready", answer.text

    def create(self, id: str) -> None:
        container = {"name": "app", "image": "box", "resource": {"cpu": "10m", "memory": "1Mi"}}
        answer = self.client.post("/api/v1/sandboxes", json={"id": id, "spec": {"containers": [container]}})
        assert answer.status_code == 201, answer.text
        path = f"/api/v1/sandboxes/{id}"
        wait_until(lambda: self.client.get(path).json()["sandbox"]["status"]["phase"] == "Running", f"{id} runs")

    def stop(self) -> None:
        self.client.close()
        self.process.terminate()
        assert self.process.wait(60) == 0, self.log.read_text()[-4000:]
