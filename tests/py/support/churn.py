"""Clients that keep creating and deleting sandboxes, and what to look at when they have stopped."""

from __future__ import annotations

import itertools
import random
import threading
from pathlib import Path

import httpx
from support import images
from support.instance import Instance, make_spec
from support.leak_checker import all_node_items
from support.ledger import Ledger


class Churn:
    """Clients that create and delete without end and write down what they were told."""

    def __init__(
        self, instance: Instance, ledger: Ledger, seed: int, *, alive_max: int, runsc_share: float = 0.0
    ) -> None:
        self.instance, self.ledger = instance, ledger
        self.alive_max, self.runsc_share = alive_max, runsc_share
        self.stop = threading.Event()
        self.numbers = itertools.count()
        self.random = random.Random(seed)
        self.threads = [threading.Thread(target=self.run, name=f"churn-{n}") for n in range(2)]

    def run(self) -> None:
        with httpx.Client(base_url=self.instance.url, timeout=5, trust_env=False) as client:
            while not self.stop.is_set():
                mine = [id for id in self.ledger.living() if id.startswith("churn")]
                if len(mine) < self.alive_max:
                    self.create(client)
                # Mostly those that got somewhere, so that every step is come to; some in the middle of their making.
                for id in mine[: len(mine) // 2]:
                    if self.random.random() < 0.1 or self.has_arrived(client, id):
                        self.delete(client, id)
                        break
                self.stop.wait(0.1)

    def has_arrived(self, client: httpx.Client, id: str) -> bool:
        """True when it is neither on its way nor unknown."""
        try:
            answer = client.get(f"/api/v1/sandboxes/{id}")
            return answer.status_code == 200 and answer.json()["sandbox"]["status"]["phase"] in ("Running", "Failed")
        except httpx.HTTPError:
            return False

    def create(self, client: httpx.Client) -> None:
        id = f"churn-{next(self.numbers)}"
        self.ledger.created(id, "unknown")
        runtime = "runsc" if self.random.random() < self.runsc_share else ""
        cpu = "200m" if runtime else "10m"  # gVisor's own start would take many seconds of so little
        spec = make_spec(image=images.WEB, ports=(8000,), cpu=cpu, runtime=runtime)
        try:
            status = client.post("/api/v1/sandboxes", json={"id": id, "spec": spec}).status_code
        except httpx.ConnectError:
            status = 503  # never sent
        except httpx.HTTPError:
            return
        self.ledger.created(id, "acked" if status == 201 else "refused")

    def delete(self, client: httpx.Client, id: str) -> None:
        self.ledger.deleted(id, "unknown")
        try:
            status = client.delete(f"/api/v1/sandboxes/{id}").status_code
        except httpx.HTTPError:
            return
        if status in (200, 404):
            self.ledger.deleted(id, "acked")

    def __enter__(self) -> Churn:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(30)


def start_times(pids: dict[str, int]) -> dict[str, tuple[int, str]]:
    """Pid and start time of each process: a pid alone could have been given out again."""
    return {
        key: (pid, Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]) for key, pid in pids.items()
    }


def quiet(instance: Instance) -> dict[str, str] | None:
    """{id: phase} when no sandbox is on its way anywhere, at the control plane and on the node."""
    phases = {item["id"]: item["status"]["phase"] for item in instance.get("/api/v1/sandboxes")["items"]}
    if any(phase in ("Pending", "Scheduled", "Deleting") for phase in phases.values()):
        return None
    if any(item["phase"] in ("creating", "deleting") for item in all_node_items(instance)):
        return None
    return phases
