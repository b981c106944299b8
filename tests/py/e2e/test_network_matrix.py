"""Who reaches what: every source and target, with real sandboxes of both handlers and a capture at the target.

A cell that must be refused counts only if the same probe gets through once the rules are taken away, and if the capture
at the target saw nothing while they were there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from support.instance import Instance
from support.leak_checker import settle
from support.network_lab import (
    HOST,
    HOST_NAMESPACE,
    HOST_SERVICE,
    INTERNET,
    LOOPBACK_SERVICE,
    METADATA,
    OTHER_RESOLVER,
    PRIVATE,
    PROBE,
    PROBE_PORT,
    RESOLVER,
    WORLD_NAMESPACE,
    Machine,
    ask,
    import_probe,
    probe_args,
    route_into,
    serve,
    world,
)
from support.packets import Packet, ipv6_frame, send_frame, udp_frame
from support.waiting import wait_until

HANDLERS = ["runc", "runsc"]
POLICIES: dict[str, dict[str, Any]] = {
    "closed": {"egress": False},
    "open": {"egress": True},
    "listed": {"egress_policy": {"mode": "allow_list", "allow_cidrs": [f"{INTERNET}:443/tcp", "198.51.100.0/24:4000"]}},
}
SANDBOXES = [*POLICIES, "other"]  # "other" is only a target
NOBODY: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """One column: how it is tried, where arrival is seen, and which policies allow it."""

    place: str  # of the capture, see Machine.capture()
    address: str  # as the target sees it; {names} are filled in
    port: str
    probe: str = ""  # a command of netprobe; empty: a frame, see frame_of()
    protocol: str = "tcp"
    allowed: tuple[str, ...] = NOBODY

    @property
    def asks(self) -> str:
        return self.probe or f"{self.protocol} {self.address} {self.port}"


def _tcp(place: str, address: str, port: object, *allowed: str) -> Target:
    return Target(place, address, str(port), f"tcp {address} {port}", "tcp", allowed)


def _udp(place: str, address: str, port: object, *allowed: str) -> Target:
    return Target(place, address, str(port), f"udp {address} {port}", "udp", allowed)


def _frame(place: str, address: str, port: object) -> Target:
    return Target(place, address, str(port), "", "udp")


TARGETS = {
    "internet": _tcp("world", INTERNET, 80, "open"),
    "internet, a listed port": _tcp("world", INTERNET, 443, "open", "listed"),
    "internet by udp, a listed port": _udp("world", INTERNET, 4000, "open", "listed"),
    "internet at the number of a published port": _tcp("world", INTERNET, "{other_port}", "open"),
    "private range": _tcp("world", PRIVATE, 80),
    "metadata": _tcp("world", METADATA, 80),
    "metadata as a name server": _udp("world", METADATA, 53),
    "private range as a name server": _udp("world", PRIVATE, 53),
    "configured name server": _udp("world", RESOLVER, 53, "open", "listed"),
    "configured name server by tcp": _tcp("world", RESOLVER, 53, "open", "listed"),
    "configured name server, another port": _tcp("world", RESOLVER, 80),
    "another name server": _udp("world", OTHER_RESOLVER, 53),
    "another name server by tcp": _tcp("world", OTHER_RESOLVER, 53),
    "host by the bridge": _tcp("host", "{gateway}", HOST_SERVICE),
    "host by the bridge, udp": _udp("host", "{gateway}", HOST_SERVICE),
    "host by another address": _tcp("host", HOST, HOST_SERVICE),
    "host from a published port's number": Target("host", HOST, str(HOST_SERVICE), "tcp {host} {service} 7001"),
    "host's loopback": _frame("host", "127.0.0.1", LOOPBACK_SERVICE),
    "another sandbox": _tcp("sandbox", "{other}", PROBE_PORT),
    "another sandbox by udp": _udp("sandbox", "{other}", PROBE_PORT),
    "another sandbox through its published port": Target(
        "sandbox", "{other}", str(PROBE_PORT), "tcp {host} {other_port}"
    ),
    "a neighbour by its MAC": _frame("sandbox", "{other}", 6000),
    "a spoofed address": _frame("world", INTERNET, 6001),
    "a spoofed MAC": _frame("world", INTERNET, 6002),
    "IPv6": _frame("bridge", "ff02::1", 6003),
}
IN_FROM_OUTSIDE = {"published port": True, "unpublished port": False}


class Matrix:
    """Every cell of one handler, tried under the rules and without them."""

    def __init__(self, machine: Machine, handler: str) -> None:
        self.machine, self.handler = machine, handler
        self.ip: dict[str, str] = {}
        for name in SANDBOXES:
            ports = {"ports": (PROBE_PORT, 7001)} if name == "other" else {"ports": (7001,)}
            self.ip[name] = machine.start(f"{handler}-{name}", runtime=handler, **ports, **POLICIES.get(name, {}))
        self.names = {
            "gateway": machine.gateway,
            "host": HOST,
            "service": str(HOST_SERVICE),
            "other": self.ip["other"],
            "other_port": str(machine.instance.host_port(f"{handler}-other", PROBE_PORT)),
        }
        serve(WORLD_NAMESPACE, "0.0.0.0", int(self.names["other_port"]))
        cells = [(source, target) for target in TARGETS for source in POLICIES]
        self.ruled = {cell: self.attempt(*cell) for cell in cells}
        self.outside_ruled = {what: self.from_outside(what) for what in IN_FROM_OUTSIDE}
        with machine.rules_removed():
            self.free = {cell: self.attempt(*cell) for cell in cells if cell[0] not in TARGETS[cell[1]].allowed}
            self.outside_free = {what: self.from_outside(what) for what in IN_FROM_OUTSIDE}
        cells = [("open", "internet"), ("closed", "internet"), ("open", "another sandbox")]
        self.again = {cell: self.attempt(*cell) for cell in cells}

    def attempt(self, source: str, what: str) -> tuple[str, list[Packet]]:
        """Try one cell: the answer at the source, and what of it arrived at the target."""
        target = TARGETS[what]
        address, port = target.address.format(**self.names), int(target.port.format(**self.names))
        capture = self.machine.capture(target.place, self.ip["other"])
        if target.probe:
            answer = self.machine.probe(self.ip[source], target.probe.format(**self.names))
        else:
            answer = self.send(source, self.frame_of(what, source, address, port))
        wanted = (target.protocol, address, port)
        arrived = [one for one in capture.packets() if (one.protocol, one.address, one.port) == wanted]
        return answer, arrived

    def frame_of(self, what: str, source: str, address: str, port: int) -> bytes:
        """The bytes of a cell that no ordinary socket sends."""
        mac, ip = self.machine.bound(self.ip[source])[0], self.ip[source]
        other_mac = self.machine.bound(self.ip["other"])[0]
        gateway = (self.machine.gateway_mac, address)
        if what == "IPv6":
            return ipv6_frame(source_mac=mac, port=port)
        if what == "a neighbour by its MAC":
            return udp_frame(source=(mac, ip), target=(other_mac, address), port=port)
        if what == "a spoofed address":  # of a sandbox that may
            victim = self.ip["open" if source != "open" else "listed"]
            return udp_frame(source=(mac, victim), target=gateway, port=port)
        if what == "a spoofed MAC":
            return udp_frame(source=(other_mac, ip), target=gateway, port=port)
        return udp_frame(source=(mac, ip), target=gateway, port=port)

    def send(self, source: str, frame: bytes) -> str:
        """From the container under runc, which has raw sockets; gVisor has none, so there as its escaped kernel."""
        if self.handler == "runc":
            return self.machine.probe(self.ip[source], f"frame {frame.hex()}")
        send_frame(self.machine.bound(self.ip[source])[1], "eth0", frame)
        return "sent"

    def from_outside(self, what: str) -> tuple[str, list[Packet]]:
        """A client of the world asks for a sandbox: by the host's published port, or by its own address."""
        target = "other" if what == "published port" else "closed"
        address, port = (HOST, int(self.names["other_port"])) if target == "other" else (self.ip[target], PROBE_PORT)
        capture = self.machine.capture("sandbox", self.ip[target])
        answer = ask(WORLD_NAMESPACE, address, port)
        return answer, [one for one in capture.packets() if (one.address, one.port) == (self.ip[target], PROBE_PORT)]


@pytest.fixture(scope="module")
def lab() -> Iterator[Machine]:
    """A platform in a machine of its own."""
    with world():
        instance = Instance(environment={"SANDBOXD_DNS_SERVERS": RESOLVER, "SANDBOXD_SLOT_POOL_SIZE": "2"})
        try:
            instance.up(images_too=False)
            import_probe(instance)
            for port in (53, 80, 443, 4000):
                serve(WORLD_NAMESPACE, "0.0.0.0", port)
            serve(HOST_NAMESPACE, "0.0.0.0", HOST_SERVICE)
            serve(HOST_NAMESPACE, "127.0.0.1", LOOPBACK_SERVICE)
            route_into(instance)
            yield Machine(instance)
            problems = settle(instance)
        finally:
            left = instance.destroy()
    assert not problems and not left, "\n".join([*problems, *left])


@pytest.fixture(scope="module", params=HANDLERS)
def matrix(request: pytest.FixtureRequest, lab: Machine) -> Iterator[Matrix]:
    made = Matrix(lab, request.param)
    yield made
    for name in SANDBOXES:
        lab.instance.delete(f"{request.param}-{name}")
        lab.instance.wait_gone(f"{request.param}-{name}")


@pytest.mark.parametrize("source", POLICIES)
@pytest.mark.parametrize("target", TARGETS)
def test_a_sandbox_reaches_what_its_policy_says(matrix: Matrix, source: str, target: str) -> None:
    answer, arrived = matrix.ruled[source, target]
    if source in TARGETS[target].allowed:
        assert answer.startswith("open ") and arrived, (answer, arrived)
        return
    assert not arrived, f"{arrived} arrived ({answer})"
    assert answer in ("refused", "prohibited", "silent") or not TARGETS[target].probe, answer
    free_answer, free_arrived = matrix.free[source, target]
    assert free_arrived, f"without rules nothing arrives either ({free_answer}): the probe proves nothing"
    assert free_answer.startswith("open ") or not TARGETS[target].probe, free_answer


@pytest.mark.parametrize("what", IN_FROM_OUTSIDE)
def test_outside_reaches_published_ports_only(matrix: Matrix, what: str) -> None:
    answer, arrived = matrix.outside_ruled[what]
    free_answer, free_arrived = matrix.outside_free[what]
    assert (answer == "open hello" and bool(arrived)) is IN_FROM_OUTSIDE[what], (answer, arrived)
    assert bool(arrived) is IN_FROM_OUTSIDE[what], arrived
    assert free_answer == "open hello" and free_arrived, free_answer


def test_the_host_reaches_published_ports_at_each_of_its_addresses(matrix: Matrix) -> None:
    for address in ("127.0.0.1", HOST, matrix.machine.gateway):
        assert ask(HOST_NAMESPACE, address, int(matrix.names["other_port"])) == "open hello", address


def test_rules_that_somebody_deleted_are_put_back(matrix: Matrix) -> None:
    """The agent found out by itself: nothing was asked of it in between."""
    assert matrix.again["open", "internet"][0].startswith("open ")
    for cell in (("closed", "internet"), ("open", "another sandbox")):
        answer, arrived = matrix.again[cell]
        assert not arrived and not answer.startswith("open "), (cell, answer, arrived)
    log = "\n".join(path.read_text() for path in (matrix.machine.instance.data_dir / "log").rglob("*node*"))
    assert "the firewall tables were changed by another program" in log


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_container_whose_first_instruction_connects_is_refused(lab: Machine, name: str, handler: str) -> None:
    """The rules are there before the process is. With egress the very same program gets through."""
    answers = {}
    for policy in ("closed", "open"):
        id = f"{name}-{policy}"
        capture = lab.capture("world")
        lab.instance.create(
            id, image=PROBE, args=probe_args("first", "tcp", INTERNET, 80), runtime=handler, **POLICIES[policy]
        )
        lab.instance.wait_phase(id, "Running")
        (line,) = wait_until(lambda id=id: lab.instance.log_lines(id), "the first answer", 20)
        answers[policy] = (line, any(one.address == INTERNET and one.port == 80 for one in capture.packets()))
        lab.instance.delete(id)
        lab.instance.wait_gone(id)
    assert answers["closed"] == ("refused", False)
    assert answers["open"] == (f"open {HOST}", True)


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_port_is_opened_only_when_its_sandbox_is_ready(lab: Machine, name: str, handler: str) -> None:
    """The server listens at once; its published port stays shut until the probe is content."""
    probe = {"protocol": "tcp", "port": PROBE_PORT, "initial_delay_seconds": 6, "period_seconds": 1}
    probe |= {"timeout_seconds": 1, "success_threshold": 1, "failure_threshold": 30}
    instance = lab.instance
    args = probe_args("first", "udp", "127.0.0.1", 9)  # says a word in the log right before it listens
    instance.create(
        name, image=PROBE, args=args, cpu="200m", runtime=handler, ports=(PROBE_PORT,), readiness_probe=probe
    )

    def up() -> bool:
        return any(path.stat().st_size for path in instance.data_dir.rglob("main.log") if name in path.parts)

    wait_until(up, "the server inside", 30)
    port = instance.host_port(name, PROBE_PORT)
    before = [ask(WORLD_NAMESPACE, HOST, port), ask(HOST_NAMESPACE, "127.0.0.1", port)]
    still = (instance.sandbox(name) or {})["status"]["phase"]
    assert still != "Running", "too late to tell: give the probe more delay"
    assert before == ["refused", "refused"]
    instance.wait_phase(name, "Running")
    assert ask(WORLD_NAMESPACE, HOST, port) == ask(HOST_NAMESPACE, "127.0.0.1", port) == "open hello"
    instance.delete(name)
    instance.wait_gone(name)
