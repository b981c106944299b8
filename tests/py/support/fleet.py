"""One control plane over two nodes on this machine, each with a containerd, a bridge and ports of its own."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from support import images
from support.instance import Instance
from support.waiting import wait_until

SECOND = "second"


class Fleet:
    """The first instance's control plane, which knows the second one's node too."""

    def __init__(self, first: Instance, second: Instance) -> None:
        self.plane, self.nodes = first, (first, second)
        (own,) = [node for node in first.get("/api/v1/nodes")["items"] if node["id"] != SECOND]
        self.names = (str(own["id"]), SECOND)
        self.started: list[subprocess.Popen[bytes]] = []

    def state(self, number: int) -> str:
        """What the control plane thinks of a node."""
        return str(self.plane.get(f"/api/v1/nodes/{self.names[number]}")["node"]["state"])

    def node_of(self, sandbox: str) -> int:
        """Where a sandbox is: 0 or 1."""
        found = self.plane.sandbox(sandbox)
        assert found is not None
        return self.names.index(found["status"]["node_name"])

    @contextlib.contextmanager
    def only(self, number: int) -> Iterator[None]:
        """Within the block new sandboxes go to that node: the other one is cordoned."""
        other = f"/api/v1/nodes/{self.names[1 - number]}"
        assert self.plane.client.patch(other, json={"spec": {"unschedulable": True}}).status_code == 200
        try:
            yield
        finally:
            assert self.plane.client.patch(other, json={"spec": {"unschedulable": False}}).status_code == 200

    def import_on(self, number: int, reference: str) -> None:
        """Import an image of its own on one node alone, through the control plane."""
        archive = images.write_archive(self.plane.root / "only.tar", reference, ["/bin/sh", reference])
        path = f"/api/v1/images/import?reference={reference}&format=image&node={self.names[number]}"
        answer = self.plane.client.post(path, content=archive.read_bytes())
        assert answer.status_code == 201, answer.text
        archive.unlink()

    @contextlib.contextmanager
    def without_second(self) -> Iterator[None]:
        """Within the block the second node's agent is dead and its sandboxes live; afterwards it is Ready again."""
        node = self.nodes[1]
        process = Path(f"/proc/{node.pid('node')}")
        command = process.joinpath("cmdline").read_bytes().split(b"\0")[:-1]
        for flag in (b"--supervisor", b"--ready-fd"):  # it has another parent then
            at = command.index(flag)
            del command[at : at + 2]
        environment = dict(entry.split(b"=", 1) for entry in process.joinpath("environ").read_bytes().split(b"\0")[:-1])
        directory = (process / "cwd").readlink()
        node.kill("node")
        try:
            yield
        finally:
            silence = subprocess.DEVNULL
            again = subprocess.Popen(command, env=environment, cwd=directory, stdout=silence, stderr=silence)
            self.started.append(again)
            wait_until(lambda: self.state(1) == "Ready", "the second node to be back", 60)

    def stop(self) -> None:
        """End what this started, so that the supervisor finds its place empty."""
        for process in self.started:
            process.terminate()
            process.wait(30)


@contextlib.contextmanager
def fleet_of(first: Instance, second: Instance) -> Iterator[Fleet]:
    """Both started; the second one's own control plane is dead, and nobody restarts it within the block."""
    first.up()
    second.up()
    with second.held("up"):
        second.kill("orch")
        body = {"id": SECOND, "spec": {"ip": "127.0.0.1", "port": second.node_port}}
        answer = first.client.post("/api/v1/nodes", json=body)
        assert answer.status_code == 200, answer.text
        fleet = Fleet(first, second)
        wait_until(lambda: fleet.state(1) == "Ready", "the second node", 30)
        try:
            yield fleet
            for item in first.get("/api/v1/sandboxes")["items"]:
                first.delete(item["id"])
                first.wait_gone(item["id"])
            assert first.client.delete(f"/api/v1/nodes/{SECOND}").status_code == 200
        finally:
            fleet.stop()
