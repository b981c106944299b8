"""Network namespaces, frames and captures for tests: what was sent, and what really arrived at a target."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_ETH_P_ALL, _ETH_P_IP = 0x0003, 0x0800
_numbers = itertools.count(1)
PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}


@contextlib.contextmanager
def inside(namespace: str | Path) -> Iterator[None]:
    """Within the block this thread, its new sockets and its child processes are in the namespace of that path."""

    def enter(fd: int) -> None:
        if _libc.setns(fd, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(namespace, os.O_RDONLY)
    try:
        enter(there)
        try:
            yield
        finally:
            enter(before)
    finally:
        os.close(there)
        os.close(before)


def _checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def udp_frame(*, source: tuple[str, str], target: tuple[str, str], port: int) -> bytes:
    """An Ethernet frame with a datagram "hello"; source and target are (MAC, IPv4 address)."""
    datagram = struct.pack("!HHHH", 40000, port, 13, 0) + b"hello"  # checksum 0: none
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(datagram), 1, 0, 64, socket.IPPROTO_UDP, 0)
    head += socket.inet_aton(source[1]) + socket.inet_aton(target[1])
    head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
    return _mac(target[0]) + _mac(source[0]) + struct.pack("!H", _ETH_P_IP) + head + datagram


def ipv6_frame(*, source_mac: str, port: int) -> bytes:
    """A frame with a datagram to every IPv6 node of the link."""
    source = socket.inet_pton(socket.AF_INET6, "fe80::1234")
    target = socket.inet_pton(socket.AF_INET6, "ff02::1")
    length = 13
    pseudo = source + target + struct.pack("!IHBB", length, 0, 0, socket.IPPROTO_UDP)
    datagram = struct.pack("!HHHH", 40000, port, length, 0) + b"hello"
    checksum = _checksum(pseudo + datagram + b"\0")
    datagram = datagram[:6] + struct.pack("!H", checksum) + datagram[8:]
    head = struct.pack("!IHBB", 6 << 28, length, socket.IPPROTO_UDP, 1) + source + target
    return _mac("33:33:00:00:00:01") + _mac(source_mac) + struct.pack("!H", 0x86DD) + head + datagram


def send_frame(namespace: str, interface: str, frame: bytes) -> None:
    """Put a frame on an interface, as a process in that namespace with every right would."""
    with inside(namespace), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
        out.bind((interface, 0))
        out.send(frame)


@dataclass(frozen=True)
class Packet:
    """What captures tell apart. Family 4 or 6."""

    family: int
    protocol: str
    source: str
    address: str
    port: int
    payload: bytes


def parse_ip(data: bytes) -> Packet | None:
    """An IP packet of TCP or UDP; None for everything else."""
    if not data:
        return None
    family = data[0] >> 4
    if family == 4 and len(data) >= 20:
        size, number = (data[0] & 15) * 4, data[9]
        ends = [socket.inet_ntoa(data[at : at + 4]) for at in (12, 16)]
    elif family == 6 and len(data) >= 40:
        size, number = 40, data[6]
        ends = [socket.inet_ntop(socket.AF_INET6, data[at : at + 16]) for at in (8, 24)]
    else:
        return None
    name = next((name for name, known in PROTOCOLS.items() if known == number), "")
    if not name or len(data) < size + 8:
        return None
    (port,) = struct.unpack("!H", data[size + 2 : size + 4])
    return Packet(family, name, ends[0], ends[1], port, data[size + 8 :])


class Capture:
    """Everything that arrives at a place between the constructor and packets().

    packets() sends a marked datagram the same way and reads up to it, so that nothing still under way is missed.
    """

    def __init__(self, sockets: list[socket.socket], mark: Callable[[bytes], None]) -> None:
        self._sockets, self._mark = sockets, mark
        for one in sockets:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            one.settimeout(5)

    def packets(self) -> list[Packet]:
        """What arrived so far. Ends the capture."""
        token = f"mark-{os.getpid()}-{next(_numbers)}".encode()
        self._mark(token)
        found = []
        try:
            while True:
                packet = self._next(self._sockets[0])
                if packet is not None and packet.payload == token:
                    break
                found.append(packet)
            for other in self._sockets[1:]:
                other.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    while True:
                        found.append(self._next(other))
        finally:
            for one in self._sockets:
                one.close()
        return [packet for packet in found if packet is not None]

    @staticmethod
    def _next(source: socket.socket) -> Packet | None:
        data, address = source.recvfrom(65535)
        if source.family != socket.AF_PACKET:
            return parse_ip(data)
        return None if address[2] == socket.PACKET_OUTGOING else parse_ip(data[14:])


def capture_link(namespace: str, interface: str, mark: Callable[[bytes], None]) -> Capture:
    """Every frame that arrives at an interface."""
    with inside(namespace):
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        tap.bind((interface, _ETH_P_ALL))
    return Capture([tap], mark)


def capture_delivered(namespace: str, mark: Callable[[bytes], None]) -> Capture:
    """Every TCP and UDP packet that the namespace's own stack accepted: behind its firewall, before its sockets."""
    with inside(namespace):
        taps = [socket.socket(socket.AF_INET, socket.SOCK_RAW, PROTOCOLS[name]) for name in ("udp", "tcp")]
    return Capture(taps, mark)
