"""A control plane and many memory nodes as processes, for the figures that go over HTTP; what they cost is read here.

Seconds of work of a thread are the kernel's (/proc/PID/task/TID/schedstat): unlike elapsed time they do not depend on
what else the machine does.
"""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
HOST = "127.0.0.1"


def program(name: str) -> Path:
    """An executable of bench/ in the newest build tree that has it."""
    found = sorted(ROOT.glob(f"build/**/bench/{name}"), key=lambda path: path.stat().st_mtime)
    if not found:
        sys.exit(f"no bench/{name} in build/: build the target {name}")
    return found[-1]


class Program:
    """A process that answers a line with a line, and ends when its input does. Its log goes to `log`."""

    def __init__(self, name: str, *arguments: object, log: Path | None = None) -> None:
        self.name = name
        answers_on_stderr = log is not None
        output = log.open("ab") if log else subprocess.PIPE
        self.process = subprocess.Popen(
            [str(program(name)), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.PIPE if answers_on_stderr else None,
        )
        stream = self.process.stderr if answers_on_stderr else self.process.stdout
        assert stream is not None
        self._answers = stream

    def line(self) -> list[str]:
        """The words of the next line; lines of the log are left out."""
        while True:
            text = self._answers.readline().decode()
            if not text:
                sys.exit(f"{self.name} ended with status {self.process.wait(30)}")
            if not text.startswith("{"):
                return text.split()

    def ask(self, line: str) -> list[str]:
        """Writes a line and returns the words of the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        return self.line()

    def cpu(self) -> dict[str, float]:
        """Seconds that each thread has worked, by its name; a second thread of a name is "<name> 2"."""
        seconds: dict[str, float] = {}
        names: dict[str, int] = {}
        for task in sorted(Path(f"/proc/{self.process.pid}/task").iterdir(), key=lambda path: int(path.name)):
            name = (task / "comm").read_text().strip()
            names[name] = names.get(name, 0) + 1
            key = name if names[name] == 1 else f"{name} {names[name]}"
            seconds[key] = int((task / "schedstat").read_text().split()[0]) / 1e9
        return seconds

    def memory(self, field: str = "VmRSS") -> int:
        """Bytes of a field of /proc/PID/status."""
        for text in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if text.startswith(field + ":"):
                return int(text.split()[1]) * 1024
        raise KeyError(field)

    def close(self) -> None:
        """Ends the input and waits for the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(120)


class Cluster:
    """A control plane on `directory`, and `count` nodes that together hold `capacity` sandboxes of the load."""

    def __init__(self, directory: Path, count: int = 100, capacity: int = 200_000) -> None:
        self.directory = directory
        each = capacity // count  # the load's sandboxes ask for 100m and 64Mi
        self.nodes = Program(
            "bench_memory_nodes", count, each // 10 + 1, each * (64 << 20), log=directory / "nodes.log"
        )
        self.ports = [int(word) for word in self.nodes.line()[1:]]
        self.start()
        for number, port in enumerate(self.ports):
            self.request("POST", "/api/v1/nodes", {"id": f"node-{number:04}", "spec": {"ip": HOST, "port": port}})

    def __enter__(self) -> Cluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.control_plane.close()
        self.nodes.close()

    @property
    def database(self) -> Path:
        """The control plane's."""
        return self.directory / "orchestrator.db"

    def start(self) -> None:
        """Starts the control plane (again)."""
        self.control_plane = Program("bench_control_plane", self.directory, log=self.directory / "orch.log")
        self.port = int(self.control_plane.line()[1])

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of an answer below 300."""
        status, answer = self.raw(method, path, body)
        if status >= 300:
            sys.exit(f"{method} {path}: {status} {answer.decode()}")
        return json.loads(answer)

    def raw(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """Status and body of an answer."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=300)
        headers = {"Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, data

    def phases(self) -> dict[str, int]:
        """How many sandboxes are in which phase."""
        counts: dict[str, int] = {}
        for item in self.request("GET", "/api/v1/sandboxes")["items"]:
            phase = item["status"]["phase"]
            counts[phase] = counts.get(phase, 0) + 1
        return counts

    def wait_running(self, limit: float = 900) -> None:
        """Until every sandbox runs."""
        deadline = time.monotonic() + limit
        while set(counts := self.phases()) - {"Running"}:
            if time.monotonic() > deadline:
                sys.exit(f"not all sandboxes run: {counts}")
            time.sleep(2)  # a list of many sandboxes is work for both sides

    def wait_ready(self, limit: float = 60) -> None:
        """Until every node has reported to the control plane."""
        deadline = time.monotonic() + limit
        while any(node["state"] != "Ready" for node in self.request("GET", "/api/v1/nodes")["items"]):
            if time.monotonic() > deadline:
                sys.exit("not all nodes are ready")
            time.sleep(0.1)

    def syncs(self) -> int:
        """Calls of fsync by the control plane's SQLite."""
        return int(self.control_plane.ask("syncs")[1])


def figures(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """Median, 95th percentile, extremes."""
    ordered = sorted(values)
    return {
        "n": len(ordered),
        "p50": round(statistics.median(ordered), digits),
        "p95": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], digits),
        "min": round(ordered[0], digits),
        "max": round(ordered[-1], digits),
    }


def write_results(figure: str, results: dict[str, Any]) -> None:
    """Keeps a run in bench/results/."""
    folder = ROOT / "bench/results"
    folder.mkdir(exist_ok=True)
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    report = {"figure": figure, "at": now, "results": results}
    (folder / f"{figure}-{now}.json").write_text(json.dumps(report, indent=1) + "\n")
