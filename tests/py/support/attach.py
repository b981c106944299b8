"""The WebSocket of an attached command, spoken by hand: no client of ours between."""

from __future__ import annotations

import base64
import os
import socket
import struct


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
