"""What the figures of exec.py are measured with: raw HTTP to the node or the control plane, and floors from inside.

Requests are written before the clock starts and answers are read as bytes and looked at afterwards, so that the
client costs little beside what is measured.
"""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/py"))

from support.instance import Instance  # noqa: E402

INSIDE = "/bench"  # the program of agent_channel.cpp in the sandbox
SOCKET = "/.sandboxd/bench.sock"
PIECE = 1 << 20
ROOM = 256 << 20  # for the largest answer


def percentiles(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """Median, 95th percentile and count."""
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return {"n": len(ordered), "p50": round(statistics.median(ordered), digits), "p95": round(p95, digits)}


_room = memoryview(bytearray(b"x") * ROOM)


class Door:
    """A sandbox's routes at one of the two daemons, over connections that are kept alive."""

    def __init__(self, port: int, path: str) -> None:
        self.port, self.path = port, path
        self.kept = self.connect()
        self.room = _room  # what is received goes into memory that is there already

    def connect(self) -> socket.socket:
        """One more connection."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=120)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def request(self, method: str, path: str, body: bytes = b"", *, last: bool = False, accept: str = "") -> bytes:
        """The bytes of a request."""
        head = f"{method} {self.path}{path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Length: {len(body)}\r\n"
        head += f"Accept: {accept}\r\n" if accept else ""
        return (head + ("Connection: close\r\n" if last else "") + "\r\n").encode() + body

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of an answer on the kept connection; None for none."""
        self.kept.sendall(self.request(method, path, b"" if body is None else json.dumps(body).encode()))
        return json.loads(read_answer(self.kept) or b"null")

    def exec(self, *argv: str) -> dict[str, Any]:
        """Run a command to its end; it must succeed."""
        done = dict(self.call("POST", "/exec", {"argv": argv, "keep_bytes": 65536}))
        assert done["command"]["exit_code"] == 0, done
        return done

    def exec_request(self, *argv: str) -> bytes:
        """The bytes of such a request."""
        return self.request("POST", "/exec", json.dumps({"argv": argv, "keep_bytes": 65536}).encode())

    def download(self, path: str, accept: str = "") -> tuple[float, bytes]:
        """Seconds from the request to the end of the answer, and its body."""
        with self.connect() as connection:
            before = time.perf_counter()
            connection.sendall(self.request("GET", path, last=True, accept=accept))
            size = 0
            while count := connection.recv_into(self.room[size : size + PIECE]):
                size += count
            took = time.perf_counter() - before
        return took, body_of(bytes(self.room[:size]))

    def upload(self, path: str, data: bytes) -> float:
        """Seconds from the request to its answer."""
        with self.connect() as connection:
            request = self.request("PUT", path, data, last=True)
            before = time.perf_counter()
            connection.sendall(request)
            answer = read_answer(connection)
            took = time.perf_counter() - before
        assert json.loads(answer)["file"]["size"] == len(data)
        return took


def read_answer(connection: socket.socket) -> bytes:
    """The body of the next answer; its status must be below 300."""
    return body_of(_whole_answer(connection))


def _whole_answer(connection: socket.socket) -> bytes:
    data = b""
    while not is_whole(data):
        piece = connection.recv(65536)
        assert piece, f"the connection ended after {data[:300]!r}"
        data += piece
    return data


def is_whole(data: bytes) -> bool:
    """Whether an answer has come to its end."""
    head, mark, body = data.partition(b"\r\n\r\n")
    if not mark:
        return False
    if b"chunked" in head:
        return body.endswith(b"0\r\n\r\n")
    length = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    return len(body) >= int(length[0]) if length else True


def body_of(data: bytes) -> bytes:
    """The body of a whole answer."""
    head, _, body = data.partition(b"\r\n\r\n")
    assert int(head.split(b" ")[1]) < 300, data[:500]
    if b"chunked" not in head:
        return body
    out: list[bytes] = []
    at = 0
    while True:
        end = body.index(b"\r\n", at)
        size = int(body[at:end], 16)
        if size == 0:
            return b"".join(out)
        out.append(body[end + 2 : end + 2 + size])
        at = end + 4 + size


def all_at_once(connections: Sequence[socket.socket], requests: Sequence[bytes]) -> tuple[float, list[bytes]]:
    """Seconds until every request is answered, and the bodies.

    The answers are read one connection after the other: a client that looks at all of them at once would be woken for
    each, on the processors that the commands need.
    """
    before = time.perf_counter()
    for connection, request in zip(connections, requests, strict=True):
        connection.sendall(request)
    answers = [_whole_answer(connection) for connection in connections]
    took = time.perf_counter() - before
    return took, [body_of(answer) for answer in answers]


class Inside:
    """The program of agent_channel.cpp: in a sandbox, and its other end on the host."""

    def __init__(self, instance: Instance, node: Door) -> None:
        from cluster import program

        self.node = node
        local = program("bench_agent_channel")
        node.upload(f"/files?path={INSIDE}&mode=0755", local.read_bytes())
        sockets = list(instance.run_dir.glob("**/agents/*/agent.sock"))
        assert len(sockets) == 1, f"one sandbox is to be alone on its node: {sockets}"
        self.directory = sockets[0].parent
        command = [str(local), "serve", str(self.directory)]
        self.host = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.line() == ["ready"]

    def __enter__(self) -> Inside:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.host.terminate()
        self.host.wait(10)

    def line(self) -> list[str]:
        """The words of the next line from the host's end."""
        assert self.host.stdout is not None
        return self.host.stdout.readline().split()

    def transfer(self, direction: str, count: int) -> float:
        """Seconds that so many bytes took over the bare channel: `up` from the sandbox, `down` into it."""
        self.node.exec(INSIDE, direction, SOCKET, str(count))
        word, told, seconds = self.line()
        assert (word, int(told)) == (direction, count)
        return float(seconds)

    def spawns(self, count: int) -> float:
        """Milliseconds that starting so many `true` at once, and waiting for all, takes inside."""
        return int(self.node.exec(INSIDE, "spawn", str(count), "/bin/true")["stdout"]) / 1e6


def children(pid: int) -> list[int]:
    """The processes below a process, itself first."""
    below = [pid]
    for parent in below:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            below += [int(word) for word in task.read_text().split()]
    return below


def weight(pid: int) -> dict[str, int]:
    """What a process and its children hold now: descriptors, threads, resident KiB."""
    total = {"processes": 0, "descriptors": 0, "threads": 0, "rss_kib": 0}
    for one in children(pid):
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{one}/status").read_text().splitlines() if ":" in line
        )
        total["processes"] += 1
        total["descriptors"] += len(list(Path(f"/proc/{one}/fd").iterdir()))
        total["threads"] += int(status["Threads"])
        total["rss_kib"] += int(status.get("VmRSS", "0 kB").split()[0])
    return total


def work(pid: int) -> float:
    """Seconds that a process's threads have worked, as the kernel counts them."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9
