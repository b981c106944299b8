"""Many sandboxes alive together under churn: who answers what on its port, how fast the API is, what processes hold.

Each sandbox serves its own id, so that an answer of the wrong one is seen. A check that fails for a sandbox that is to
serve, a sandbox that fails, and a create or delete that does not end are violations.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx
from support import images
from support.api_prober import probe
from support.instance import Instance, make_spec

PROVISION_SECONDS = 900.0
CHECK_SECONDS = 15.0  # a gVisor sandbox with a hundredth of a core is slow, not silent


@dataclass(frozen=True)
class Kind:
    """How many sandboxes of a handler there are, and what each asks for."""

    handler: str
    count: int
    memory: str
    cpu: str


@dataclass
class Findings:
    """What a run saw; times in milliseconds."""

    violations: list[str] = field(default_factory=list)
    starting_s: float = 0
    checks: dict[str, list[float]] = field(default_factory=dict)  # by handler
    creates: dict[str, list[float]] = field(default_factory=dict)  # churn: until it serves
    deletes: dict[str, list[float]] = field(default_factory=dict)  # churn: until it is gone
    delete_answers: dict[str, list[float]] = field(default_factory=dict)  # and what they cannot be faster than
    api: dict[str, list[float]] = field(default_factory=dict)
    memory: dict[str, dict[str, Any]] = field(default_factory=dict)  # by moment


class Density:
    """One run on a started instance."""

    def __init__(self, instance: Instance, kinds: list[Kind], churners: int = 2) -> None:
        self.instance, self.kinds, self.churners = instance, kinds, churners
        self.found = Findings()
        self.serving: dict[str, tuple[Kind, int]] = {}  # id to its kind and host port
        self.random = random.Random(1)
        self.number = 0
        self.client = httpx.AsyncClient(base_url=instance.url, timeout=60, trust_env=False)

    async def run(self, seconds: float) -> Findings:
        """Start all, churn for `seconds`, and delete all."""
        started = time.monotonic()
        try:
            wanted = [kind for kind in self.kinds for _ in range(kind.count)]
            self.random.shuffle(wanted)
            ids = [await self.ask_create(kind) for kind in wanted]
            await self.wait_serving(dict(zip(ids, wanted, strict=True)))
            self.found.starting_s = round(time.monotonic() - started, 1)
            self.found.memory["started"] = memory(self.instance)
            if not self.found.violations:
                await self.churn(seconds)
            self.found.memory["churned"] = memory(self.instance)
        finally:
            await self.delete_all()
            await self.client.aclose()
        return self.found

    # --- creating ---------------------------------------------------------------------------------------------------

    async def ask_create(self, kind: Kind) -> str:
        self.number += 1
        id = f"d{self.number}-{kind.handler}"
        script = f"echo {id} > /www/index.html; exec httpd -f -p 8000 -h /www"
        spec = make_spec(
            image=images.WEB, shell=script, ports=(8000,), runtime=kind.handler, cpu=kind.cpu, memory=kind.memory
        )
        answer = await self.client.post("/api/v1/sandboxes", json={"id": id, "spec": spec})
        if answer.status_code != 201:
            self.violate(f"{id}: create answered {answer.status_code} {answer.text}")
        return id

    async def wait_serving(self, waiting: dict[str, Kind]) -> None:
        """Until each of them serves or is known not to."""
        waiting = dict(waiting)
        end = time.monotonic() + PROVISION_SECONDS
        while waiting and time.monotonic() < end:
            for item in await self.items(list(waiting)):
                kind = waiting.get(item["id"])
                if kind and await self.is_settled(item, kind):
                    del waiting[item["id"]]
            if waiting:
                await asyncio.sleep(0.02 if len(waiting) == 1 else 0.5)
        self.found.violations += [f"{id}: does not serve after {PROVISION_SECONDS:g} s" for id in waiting]

    async def items(self, ids: list[str]) -> list[dict[str, Any]]:
        """Sandboxes as the control plane shows them: one alone, or the whole list."""
        if len(ids) > 1:
            return list((await self.client.get("/api/v1/sandboxes")).json()["items"])
        answer = await self.client.get(f"/api/v1/sandboxes/{ids[0]}")
        return [answer.json()["sandbox"]] if answer.is_success else []

    async def is_settled(self, item: dict[str, Any], kind: Kind) -> bool:
        """It failed, which is a violation, or serves."""
        status = item["status"]
        if status["phase"] == "Failed":
            self.violate(f"{item['id']}: {status.get('last_error')}")
            return True
        if status["phase"] == "Running":
            port = status["assigned_ports"][0]["host_port"]
            with contextlib.suppress(OSError, TimeoutError):
                if await fetch(port) == item["id"]:
                    self.serving[item["id"]] = (kind, port)
                    return True
        return False

    def violate(self, text: str) -> None:
        self.found.violations.append(text)

    # --- churn and checks -------------------------------------------------------------------------------------------

    async def churn(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        with probing(self.instance, list(self.serving)) as samples:
            await asyncio.gather(self.check_all(end), *(self.replace(end) for _ in range(self.churners)))
            self.found.api = samples()

    async def check_all(self, end: float) -> None:
        """Every sandbox in turn, over and over."""
        while time.monotonic() < end:
            for id in list(self.serving):
                await self.check(id)

    async def check(self, id: str) -> None:
        if id not in self.serving:
            return
        kind, port = self.serving[id]
        begin = time.perf_counter()
        problem = ""
        try:
            text = await fetch(port)
            if text != id:
                problem = f"{id}: its port {port} served {text!r}"
        except (OSError, TimeoutError) as error:
            problem = f"{id}: no answer on port {port}: {error!r}"
        if id not in self.serving:
            return  # deleted meanwhile
        if problem:
            self.violate(problem)
        else:
            self.found.checks.setdefault(kind.handler, []).append((time.perf_counter() - begin) * 1000)
        await asyncio.sleep(0.01)  # a check each 10 ms is load enough

    async def replace(self, end: float) -> None:
        """Delete one sandbox and create another of its kind, over and over."""
        while time.monotonic() < end:
            id = self.random.choice(list(self.serving))
            kind, _ = self.serving.pop(id)
            begin = time.perf_counter()
            await self.delete(id)
            self.found.deletes.setdefault(kind.handler, []).append((time.perf_counter() - begin) * 1000)
            begin = time.perf_counter()
            fresh = await self.ask_create(kind)
            await self.wait_serving({fresh: kind})
            self.found.creates.setdefault(kind.handler, []).append((time.perf_counter() - begin) * 1000)

    async def delete(self, id: str) -> None:
        await self.time_delete_floors()
        begin = time.perf_counter()
        answer = await self.client.delete(f"/api/v1/sandboxes/{id}")
        self.found.delete_answers.setdefault("delete", []).append((time.perf_counter() - begin) * 1000)
        if answer.status_code != 200:
            self.violate(f"{id}: delete answered {answer.status_code} {answer.text}")
            return
        end = time.monotonic() + 120
        while (await self.client.get(f"/api/v1/sandboxes/{id}")).status_code != 404:
            if time.monotonic() > end:
                self.violate(f"{id}: not gone 120 s after its delete")
                return
            await asyncio.sleep(0.02)

    async def time_delete_floors(self) -> None:
        """An answer without any work to this same busy client, and one row's worth of bytes made safe on this disk."""
        rows = self.found.delete_answers
        begin = time.perf_counter()
        await self.client.get("/healthz")
        rows.setdefault("health by the same client, a floor", []).append((time.perf_counter() - begin) * 1000)
        milliseconds = await asyncio.to_thread(time_sync, self.instance.root / "sync-floor")
        rows.setdefault("a bare fdatasync, a floor", []).append(milliseconds)

    async def delete_all(self) -> None:
        """Also what failed or never served."""
        items = (await self.client.get("/api/v1/sandboxes")).json()["items"]
        for item in items:
            if item["status"]["phase"] == "Failed" and not self.found.violations:
                self.violate(f"{item['id']}: {item['status']['last_error']}")
            await self.client.delete(f"/api/v1/sandboxes/{item['id']}")
        end = time.monotonic() + 600
        while (await self.client.get("/api/v1/sandboxes")).json()["items"]:
            if time.monotonic() > end:
                self.violate("the deletes of all did not end within 600 s")
                return
            await asyncio.sleep(0.5)


def time_sync(path: Path) -> float:
    """Milliseconds until 4 KiB that were appended are safe."""
    with path.open("ab") as file:
        file.write(b"x" * 4096)
        file.flush()
        begin = time.perf_counter()
        os.fdatasync(file.fileno())
        return (time.perf_counter() - begin) * 1000


async def fetch(port: int) -> str:
    """The page on a published port of this machine."""
    async with asyncio.timeout(CHECK_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            await writer.drain()
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
    if b" 200 " not in head.split(b"\r\n")[0]:
        raise ConnectionError(f"no page: {head[:80]!r}")
    return body.decode().strip()


@contextlib.contextmanager
def probing(instance: Instance, ids: list[str]) -> Iterator[Any]:
    """Measure the API in a process of its own; the block's value gives the samples and ends that."""
    ours, theirs = multiprocessing.Pipe()
    ports = (instance.orch_port, instance.node_port)
    process = multiprocessing.get_context("spawn").Process(target=probe, args=(theirs, ports, ids))
    process.start()

    def samples() -> dict[str, list[float]]:
        return _samples(ours)

    try:
        yield samples
    finally:
        process.terminate()
        process.join()


def _samples(pipe: Connection) -> dict[str, list[float]]:
    pipe.send("stop")
    if not pipe.poll(60):
        return {}
    return dict(json.loads(pipe.recv()))


# --- memory ---------------------------------------------------------------------------------------------------------

_ROLES = {
    "containerd": "containerd",
    "containerd-shim-runc-v2": "shims of runc",
    "containerd-shim-runsc-v1": "shims of runsc",
    "runsc-sandbox": "sentries",
    "runsc-gofer": "gofers",
    "runsc": "runsc",
    "sandboxd-logholder": "log holder",
}


def memory(instance: Instance) -> dict[str, dict[str, float]]:
    """MiB that the instance's processes hold, by what they are: how many, resident in all, and their share (PSS)."""
    out: dict[str, dict[str, float]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if not any(str(instance.root) in word for word in words):
                continue
            role = _ROLES.get(Path(words[0]).name, "")
            if not role and "sandboxd" in words:
                role = {"node": "node agent", "orch": "control plane"}.get(words[words.index("sandboxd") + 1], "other")
            sizes = dict(line.split()[:2] for line in (entry / "smaps_rollup").read_text().splitlines()[1:])
        except (OSError, ValueError, IndexError):
            continue
        row = out.setdefault(role or "other", {"processes": 0, "resident_mib": 0, "pss_mib": 0})
        row["processes"] += 1
        row["resident_mib"] = round(row["resident_mib"] + int(sizes["Rss:"]) / 1024, 1)
        row["pss_mib"] = round(row["pss_mib"] + int(sizes["Pss:"]) / 1024, 1)
    return out
