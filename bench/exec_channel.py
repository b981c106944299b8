"""A second agent in the sandbox and its node's end on the host, with nothing on top: the floor of bytes."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from cluster import Program
from exec_parts import INSIDE, Door

FILE = "/bench-channel"


class Channel:
    """The real agent, run as a command of the sandbox, and guestlink in a program of its own (agent_channel_host.cpp).

    What it moves takes the way of a user's bytes up to the node's agent connection, and ends there: the same frames
    and the same credit, but no HTTP, no JSON and no control plane.
    """

    def __init__(self, directory: Path, node: Door) -> None:
        self.node = node
        self.host = Program("bench_agent_channel_host", directory)
        ready, *agent = self.host.line()
        assert ready == "ready"
        self.agent = node.call("POST", "/commands", {"argv": agent})["command"]["id"]

    def __enter__(self) -> Channel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.host.close()
        self.node.call("POST", f"/commands/{self.agent}/signal", {"signal": 9, "wait_ms": 10000})
        self.node.call("DELETE", f"/commands/{self.agent}")

    def output(self, count: int) -> float:
        """Seconds that so many bytes of a command's output took."""
        return self._ask("output", count, INSIDE, "write", str(count))

    def up(self, count: int) -> float:
        """Seconds that a file of so many bytes took into the sandbox."""
        return self._ask("up", count, FILE)

    def down(self, count: int) -> float:
        """Seconds that the same file took out of it."""
        return self._ask("down", count, FILE)

    def _ask(self, what: str, count: int, *rest: str) -> float:
        words = self.host.ask(" ".join([what, str(count), *rest]))
        assert len(words) == 1, words
        return float(words[0])
