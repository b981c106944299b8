"""The figures of exec.py that are about bytes: output of commands and files, against the same over an agent's channel
with nothing on top (exec_channel.py), and against a bare socket."""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from exec_channel import Channel
from exec_parts import INSIDE, Door, Inside, body_of, percentiles, work

OURS = ("output", "file_up", "file_down")
HEAD = struct.Struct(">B3xIQ")  # of a frame: kind, length, position
LINE = b"a line of text as programs print it\n"


def rates(seconds: list[float], count: int) -> dict[str, float]:
    """MiB/s of transfers of so many bytes."""
    return percentiles([count / (1 << 20) / one for one in seconds], 1)


FRAMES = "application/vnd.sandboxd.output"


def read_output(door: Door, count: int, form: str) -> float:
    """Seconds from the request for a waiting command's output to its end; every byte is checked."""
    spec = {"argv": [INSIDE, "write", str(count)], "wait_for_reader": True}
    command = door.call("POST", "/commands", spec)["command"]["id"]
    took, body = door.download(f"/commands/{command}/output?stream=true", form)
    text, end = (_frames if form == FRAMES else _lines)(body)
    assert end["command"]["stdout_bytes"] == count
    piece = LINE * -(-65536 // len(LINE))
    assert len(text) == count
    assert all(text[at : at + 65536] == piece[: min(65536, count - at)] for at in range(0, count, 65536))
    door.call("DELETE", f"/commands/{command}")
    return took


def _lines(body: bytes) -> tuple[bytes, Any]:
    """The output and the end of a stream of JSON lines."""
    *lines, end = (json.loads(line) for line in body.splitlines())
    return "".join(line["data"] for line in lines).encode(), end


def _frames(body: bytes) -> tuple[bytes, Any]:
    """The same of frames."""
    pieces: list[bytes] = []
    at = 0
    while at < len(body):
        _, length, _ = HEAD.unpack_from(body, at)
        at += HEAD.size + length
        pieces.append(body[at - length : at])
    return b"".join(pieces[:-1]), json.loads(pieces[-1])


def throughput(
    doors: dict[str, Door], inside: Inside, pids: dict[str, int], megabytes: int, rounds: int
) -> dict[str, Any]:
    """Output, a file up and a file down at each door in turn with both floors; the first round is dropped.

    `of_channel` is the share of the rate of the same transfer over a second agent's channel, which ends at guestlink;
    `of_socket` of a unix socket between two programs that do nothing but write and read large pieces.

    `work_us` is what each daemon's threads worked for a MiB: unlike a rate it hardly depends on what else the machine
    does.
    """
    count = megabytes << 20
    taken: dict[str, list[float]] = {}
    worked: dict[str, list[float]] = {}

    def timed(key: str, transfer: Callable[[], float]) -> None:
        before = {role: work(pid) for role, pid in pids.items()}
        taken.setdefault(key, []).append(transfer())
        for role, pid in pids.items():
            worked.setdefault(f"{key}_{role}", []).append((work(pid) - before[role]) / megabytes * 1e6)

    with Channel(inside.directory, inside.node) as channel:
        for _ in range(rounds + 1):
            data = os.urandom(count)
            timed("socket_out", partial(inside.transfer, "up", count))
            timed("socket_in", partial(inside.transfer, "down", count))
            timed("channel_output", partial(channel.output, count))
            timed("channel_file_up", partial(channel.up, count))
            timed("channel_file_down", partial(channel.down, count))
            for name, door in doors.items():
                timed(f"output_{name}", partial(read_output, door, count, FRAMES))
                timed(f"output_json_{name}", partial(read_output, door, count, "application/x-ndjson"))
                timed(f"file_up_{name}", partial(door.upload, "/files?path=/bench-data", data))
                timed(f"file_down_{name}", partial(_read_back, door, data))
    return {
        "megabytes": megabytes,
        "mib_s": {key: rates(all[1:], count) for key, all in taken.items()},
        "work_us": {key: percentiles(all[1:], 0) for key, all in worked.items() if key.startswith(OURS)},
        "of_channel": shares(taken, {figure: f"channel_{figure}" for figure in OURS}),
        "of_socket": shares(taken, {f: "socket_in" if f == "file_up" else "socket_out" for f in OURS}),
    }


def shares(taken: dict[str, list[float]], floors: dict[str, str]) -> dict[str, dict[str, float]]:
    """How near each transfer of ours came to the rate of its floor in the same round."""
    out = {}
    for figure, floor in floors.items():
        for key, all in taken.items():
            if key.startswith(figure):
                out[key] = percentiles([f / one for f, one in zip(taken[floor], all, strict=True)][1:], 2)
    return out


def _read_back(door: Door, data: bytes) -> float:
    """Seconds of a download of what was sent up."""
    took, got = door.download("/files?path=/bench-data")
    assert got == data
    return took


def log_delay(door: Door, opensbx: Door, count: int) -> dict[str, Any]:
    """Milliseconds from the write inside to the first byte at a client that follows, for both forms of the log."""
    out = {}
    for name, to, path in (
        ("output", door, "/commands/{}/output?stream=true"),
        ("logs", opensbx, "/cmd/{}/logs?stream=true"),
    ):
        spec = {"argv": [INSIDE, "stamps", str(count), "20"]}
        command = door.call("POST", "/commands", spec)["command"]["id"]
        delays = []
        with to.connect() as connection:
            connection.sendall(to.request("GET", path.format(command), last=True))
            text = b""
            for at, piece in _pieces(connection):
                text += piece
                for stamp in _stamps(piece):
                    delays.append((at - stamp / 1e9) * 1e3)
        assert len(delays) >= count - 1, body_of(text)
        out[name] = percentiles(delays[1:])  # the first may have been written before anybody followed
    return out


def _pieces(connection: socket.socket) -> Any:
    """When each piece of an answer came (Unix time), to its end."""
    while piece := connection.recv(65536):
        yield time.time(), piece


def _stamps(piece: bytes) -> list[int]:
    """The times, in nanoseconds since 1970, that stand in a piece of an answer."""
    words = "".join(chr(c) if 48 <= c <= 57 else " " for c in piece).split()
    return [int(word) for word in words if len(word) == 19]
