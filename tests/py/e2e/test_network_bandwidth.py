"""A sandbox's bandwidth limit: what TCP really gets in each direction, under both handlers, also after a restart."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from support.instance import Instance
from support.leak_checker import settle
from support.network_lab import (
    HOST_NAMESPACE,
    INTERNET,
    PROBE_PORT,
    WORLD_NAMESPACE,
    Machine,
    import_probe,
    world,
)
from support.packets import inside

HANDLERS = ["runc", "runsc"]
SINK, SOURCE = 5001, 5002  # ports of the world: one reads to the end, one sends
RATES = {"10M": 10_000_000, "100M": 100_000_000}
SECONDS = 2  # of traffic at the limit
LOW, HIGH = 0.7, 1.1
STALLED = 0.3  # a sender that loses a whole queue at its start gets less than 0.1 (ADR 0019)


def amount(rate: int) -> int:
    """Bytes that take SECONDS."""
    return rate // 8 * SECONDS


class Ends:
    """The world's ends of connections. `send` is what the source sends next."""

    def __init__(self) -> None:
        self.send = 0
        with inside(WORLD_NAMESPACE):
            self._sockets = [socket.create_server(("0.0.0.0", port)) for port in (SINK, SOURCE)]
        for listener, work in zip(self._sockets, (self._drain, self._fill), strict=True):
            threading.Thread(target=self._serve, args=(listener, work), daemon=True).start()

    @staticmethod
    def _serve(listener: socket.socket, work: object) -> None:
        while True:
            peer = listener.accept()[0]
            with peer:
                work(peer)  # type: ignore[operator]

    @staticmethod
    def _drain(peer: socket.socket) -> None:
        while peer.recv(1 << 16):
            pass

    def _fill(self, peer: socket.socket) -> None:
        peer.sendall(b"x" * self.send)


@pytest.fixture(scope="module")
def ends() -> Iterator[tuple[Machine, Ends]]:
    """A platform in a machine of its own, and the world's ends."""
    with world():
        instance = Instance(environment={"SANDBOXD_SLOT_POOL_SIZE": "2"})
        try:
            instance.up(images_too=False)
            import_probe(instance)
            yield Machine(instance), Ends()
            problems = settle(instance)
        finally:
            left = instance.destroy()
    assert not problems and not left, "\n".join([*problems, *left])


def rate_of(work: object, size: int) -> float:
    """Bits a second of a transfer."""
    started = time.monotonic()
    work()  # type: ignore[operator]
    return size * 8 / (time.monotonic() - started)


def measure(machine: Machine, ends: Ends, address: str, port: int, rate: int) -> dict[str, float]:
    """What TCP gets, as a part of the limit: out of the sandbox, into it, and into it by 127.0.0.1."""
    size = ends.send = amount(rate)

    def out() -> None:
        assert machine.probe(address, f"flood {INTERNET} {SINK} {size}", patience=60) == "read 0"

    def into() -> None:
        assert machine.probe(address, f"drain {INTERNET} {SOURCE}", patience=60) == f"read {size}"

    def forwarded() -> None:
        with inside(HOST_NAMESPACE), socket.create_connection(("127.0.0.1", port), timeout=60) as peer:
            peer.sendall(b"absorb")
            peer.sendall(b"x" * (size - 6))
            peer.shutdown(socket.SHUT_WR)
            answer = peer.recv(100).decode()
            assert answer == f"read {size}", answer

    return {work.__name__: rate_of(work, size) / rate for work in (out, into, forwarded)}


def check_limit(machine: Machine, ends: Ends, address: str, port: int, rate: int, what: str) -> None:
    """Three times never more than the limit, nobody stands still, and once the limit is reached."""
    tries = []
    for _ in range(3):
        tries.append(measure(machine, ends, address, port, rate))
        print(f"{what}: {tries[-1]}")
        assert all(STALLED <= part <= HIGH for part in tries[-1].values()), tries
    assert any(all(part >= LOW for part in got.values()) for got in tries), f"{what}: {tries}"


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("handler", HANDLERS)
def test_throughput_is_the_limit(ends: tuple[Machine, Ends], name: str, handler: str, rate: str) -> None:
    machine, others = ends
    limit = RATES[rate]
    policy = {"mode": "public", "bandwidth_bits_per_second": limit}
    address = machine.start(name, runtime=handler, ports=(PROBE_PORT,), egress_policy=policy, cpu="900m")
    port = machine.instance.host_port(name, PROBE_PORT)
    check_limit(machine, others, address, port, limit, f"{handler} {rate}")
    if rate == "10M":
        machine.instance.kill_and_wait_back("node")
        check_limit(machine, others, address, port, limit, f"{handler} {rate} after a restart of the node agent")
    machine.instance.delete(name)
    machine.instance.wait_gone(name)


@pytest.mark.parametrize("handler", HANDLERS)
def test_without_a_limit_there_is_none(ends: tuple[Machine, Ends], name: str, handler: str) -> None:
    """The same transfers get many times the smaller limit: it is the limit that holds the others back."""
    machine, others = ends
    address = machine.start(name, runtime=handler, ports=(PROBE_PORT,), egress=True, cpu="900m")
    got = measure(machine, others, address, machine.instance.host_port(name, PROBE_PORT), RATES["10M"])
    print(f"{handler} unlimited, of 10M: {got}")
    assert all(part > 3 for part in got.values()), got
    machine.instance.delete(name)
    machine.instance.wait_gone(name)
