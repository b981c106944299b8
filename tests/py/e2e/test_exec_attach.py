"""A command's terminal over a WebSocket, spoken by hand: no client of ours between."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct

import pytest
from support.box import Box
from support.instance import Instance


class Socket:
    """The least of RFC 6455: short binary messages of the client, whole frames of the server."""

    def __init__(self, port: int, path: str) -> None:
        self.raw = socket.create_connection(("127.0.0.1", port), timeout=20)
        key = base64.b64encode(os.urandom(16)).decode()
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        self.raw.sendall(f"{head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
        self.stream = self.raw.makefile("rb")
        assert b"101" in self.stream.readline()
        while self.stream.readline().strip():
            pass

    def send(self, kind: int, data: bytes) -> None:
        payload = bytes([kind]) + data
        self.raw.sendall(bytes([0x82, 0x80 | len(payload)]) + b"\0\0\0\0" + payload)

    def close(self) -> None:
        self.stream.close()
        self.raw.close()

    def receive(self) -> tuple[int, bytes]:
        """(kind, payload) of the next message; kind -1 when the server closes."""
        first, size = self.stream.read(2)
        if size == 126:
            size = struct.unpack(">H", self.stream.read(2))[0]
        payload = self.stream.read(size)
        return (-1, payload) if first & 15 == 8 else (payload[0], payload[1:])


@pytest.mark.parametrize("runtime", ["runc", "runsc"])
def test_a_terminal_takes_input_sizes_and_detaching(platform: Instance, name: str, runtime: str) -> None:
    platform.create(name, args=["sleep", "100000"], runtime=runtime)
    platform.wait_phase(name, "Running")
    box = Box(platform, name)
    id = box.start("sh", "-c", "read a; echo got $a; read b; echo then $b; exit 9", terminal={"rows": 5, "columns": 40})
    path = f"{box.path}/commands/{id}/attach"
    first = Socket(platform.node_port, path)
    first.send(0, b"one\n")
    seen = b""
    while b"got one" not in seen:
        seen += first.receive()[1]
    first.close()
    second = Socket(platform.node_port, path)
    again = b""
    while b"got one" not in again:
        again += second.receive()[1]
    second.send(3, json.dumps({"resize": {"rows": 9, "columns": 50}}).encode())
    second.send(0, b"two\n")
    messages = []
    while not messages or messages[-1][0] != -1:
        messages.append(second.receive())
    assert b"then two" in b"".join(data for kind, data in messages if kind == 1)
    last = json.loads(next(data for kind, data in messages if kind == 3))
    assert last["command"]["exit_code"] == 9
    second.close()
    platform.delete(name)
    platform.wait_gone(name)
