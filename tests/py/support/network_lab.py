"""A machine and an outside world, each a network namespace, and a platform in the machine's.

    sbxt-host<pid>     the machine: the platform's bridge, the wire's end 203.0.113.1, services of the host
    sbxt-world<pid>    everything else: an internet host, a private one, the metadata address, name servers

Nothing is routed to or from the real machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support import images, static_program
from support.instance import Instance
from support.packets import Capture, capture_delivered, capture_link, inside
from support.waiting import wait_until

PROBE = "sandboxd.test/netprobe:1"
PROBE_PORT = 7000
HOST = "203.0.113.1"
INTERNET, OTHER_RESOLVER = "198.51.100.10", "198.51.100.53"
PRIVATE, METADATA, RESOLVER = "10.1.2.3", "169.254.169.254", "192.168.7.53"
HOST_SERVICE, LOOPBACK_SERVICE = 2222, 2223
_IP_PKTINFO = 8  # linux/in.h; the module names it only in later versions
_WORLD_PEER = "203.0.113.2"
_HOST_SPACE, _WORLD_SPACE = f"sbxt-host{os.getpid()}", f"sbxt-world{os.getpid()}"
HOST_NAMESPACE, WORLD_NAMESPACE = f"/run/netns/{_HOST_SPACE}", f"/run/netns/{_WORLD_SPACE}"


def run(*command: str) -> str:
    """A command that must succeed; its output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


@contextlib.contextmanager
def world() -> Iterator[None]:
    """Both namespaces with their wire; within the block this thread is in the machine's."""
    with contextlib.ExitStack() as stack:
        for space in (_HOST_SPACE, _WORLD_SPACE):
            run("ip", "netns", "add", space)
            stack.callback(run, "ip", "netns", "delete", space)
        for command in (
            f"ip -n {_HOST_SPACE} link add wire type veth peer name wire netns {_WORLD_SPACE}",
            *(f"ip -n {space} link set {link} up" for space in (_HOST_SPACE, _WORLD_SPACE) for link in ("lo", "wire")),
            f"ip -n {_HOST_SPACE} addr add {HOST}/24 dev wire",
            f"ip -n {_WORLD_SPACE} addr add {_WORLD_PEER}/24 dev wire",
            *(
                f"ip -n {_WORLD_SPACE} addr add {address}/32 dev lo"
                for address in (INTERNET, OTHER_RESOLVER, PRIVATE, METADATA, RESOLVER)
            ),
            f"ip -n {_HOST_SPACE} route add default via {_WORLD_PEER}",
        ):
            run(*command.split())
        stack.enter_context(inside(HOST_NAMESPACE))
        yield


def route_into(instance: Instance) -> None:
    """Let the world send to the addresses of sandboxes, as a neighbour on the host's network could."""
    run("ip", "-n", _WORLD_SPACE, "route", "add", instance.subnet, "via", HOST)


def serve(namespace: str, address: str, port: int) -> None:
    """Answer tcp and udp there, until the process ends, with the client's address as the server sees it.

    Datagrams are answered from the address that was asked.
    """
    with inside(namespace):
        streams = socket.create_server((address, port))
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        datagrams.bind((address, port))

    def answer_streams() -> None:
        while True:
            peer, client = streams.accept()
            with peer, contextlib.suppress(OSError):
                peer.settimeout(2)
                peer.recv(64)
                peer.sendall(client[0].encode())

    def answer_datagrams() -> None:
        while True:
            _, extra, _, client = datagrams.recvmsg(2048, 256)
            own = struct.pack("=I4s4s", 0, extra[0][2][8:12], b"")  # the asked address as the answer's source
            with contextlib.suppress(OSError):
                datagrams.sendmsg([client[0].encode()], [(socket.IPPROTO_IP, _IP_PKTINFO, own)], 0, client)

    for work in (answer_streams, answer_datagrams):
        threading.Thread(target=work, daemon=True).start()


def send_datagram(namespace: str, address: str, port: int, data: bytes) -> None:
    with inside(namespace), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(data, (address, port))


def ask(namespace: str, address: str, port: int, text: str = "hello", patience: float = 1) -> str:
    """What a TCP server answers: "open ...", "refused" or "silent"."""
    with inside(namespace):
        try:
            with socket.create_connection((address, port), timeout=patience) as peer:
                peer.sendall(text.encode())
                return "open " + peer.recv(600).decode()
        except ConnectionError:
            return "refused"
        except OSError:
            return "silent"


def import_probe(instance: Instance) -> None:
    """Build the probe and import it as an image."""
    program = static_program.build("netprobe.c", instance.root / "netprobe")
    archive = instance.root / "netprobe.tar"
    images.write_archive(archive, PROBE, ["/bin/netprobe"], {"bin/netprobe": program})
    instance.ctr("images", "import", str(archive))
    archive.unlink()


def probe_args(*words: object) -> list[str]:
    """The command line of a container that answers probes."""
    return ["/bin/netprobe", "serve", str(PROBE_PORT), *map(str, words)]


class Machine:
    """A platform in the machine's namespace, and how packets get in and out of its sandboxes."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.bridge, self.table = f"sbx-br{instance.name}", f"sandboxd_{instance.name}"
        self.gateway = instance.subnet.split("/")[0].removesuffix("0") + "1"
        (link,) = json.loads(run("ip", "-j", "link", "show", self.bridge))
        self.gateway_mac = str(link["address"])

    def start(self, id: str, cpu: str = "200m", **spec: Any) -> str:
        """A running sandbox that answers probes; its address."""
        self.instance.create(id, image=PROBE, args=probe_args(), cpu=cpu, **spec)
        address = str(self.instance.wait_phase(id, "Running")["status"]["ip"])
        wait_until(lambda: self.probe(address, "hello") == "hello", f"{id} answers", 30)
        return address

    def probe(self, address: str, command: str, patience: float = 10) -> str:
        """Run a command of netprobe inside the sandbox with that address."""
        return ask(HOST_NAMESPACE, address, PROBE_PORT, command, patience).removeprefix("open ")

    def bound(self, address: str) -> tuple[str, str]:
        """The MAC of a sandbox and its slot's namespace, as the firewall knows them."""
        for entry in json.loads(run("nft", "-j", "list", "set", "bridge", self.table, "bound"))["nftables"]:
            for element in entry.get("set", {}).get("elem", []):
                _, mac, ip = element["elem"]["val"]["concat"]
                if ip == address:
                    return str(mac), f"/run/netns/{element['elem']['comment']}"
        raise AssertionError(f"no sandbox is bound to {address}")

    def capture(self, place: str, address: str = "") -> Capture:
        """What arrives at the "world", at the "host" behind its firewall, at its "bridge", or at a "sandbox"."""
        if place == "world":
            return capture_link(WORLD_NAMESPACE, "wire", lambda m: send_datagram(HOST_NAMESPACE, INTERNET, 9, m))
        if place == "host":
            return capture_delivered(HOST_NAMESPACE, lambda m: send_datagram(HOST_NAMESPACE, HOST, 9, m))
        if place == "bridge":
            # An answer of the sandbox comes back over the bridge.
            return capture_link(
                HOST_NAMESPACE, self.bridge, lambda m: send_datagram(HOST_NAMESPACE, address, PROBE_PORT, m)
            )
        slot = self.bound(address)[1]
        return capture_link(slot, "eth0", lambda m: send_datagram(HOST_NAMESPACE, address, 9, m))

    @contextlib.contextmanager
    def rules_removed(self) -> Iterator[None]:
        """Within the block nothing is refused; afterwards the tables are deleted, and the agent must put them back.

        It would do so at once, so that it stands still within the block. Sandboxes and their ports do without it.
        """
        ports = [line.split(":")[1].split("@")[0].strip() for line in self._bridge_ports()]
        local = Path(f"/proc/sys/net/ipv4/conf/{self.bridge}/route_localnet")
        text = "".join(f"flush chain inet {self.table} {chain}\n" for chain in _DECIDING)
        text += "".join(f"flush chain bridge {self.table} {chain}\n" for chain in ("prerouting", "forward"))
        text += f"insert rule netdev {self.table} ingress accept\n"
        for protocol in ("tcp", "udp"):
            rule = f"fib daddr type local dnat ip to {protocol} dport map @dnat_{protocol}"
            text += f"add rule inet {self.table} prerouting {rule}\n"
        # Sandbox to sandbox through the host: the answer must come back the same way.
        text += "add table ip sbxt_back\n"
        text += "add chain ip sbxt_back post { type nat hook postrouting priority 99; }\n"
        text += f'add rule ip sbxt_back post ip saddr {self.instance.subnet} oifname "{self.bridge}" masquerade\n'
        families = ("inet", "bridge", "netdev")
        with self.instance.held("node"):
            _nft(text)
            local.write_text("1")
            for port in ports:
                run(*f"bridge link set dev {port} isolated off flood on bcast_flood on".split())
            try:
                yield
            finally:
                for port in ports:
                    run(*f"bridge link set dev {port} isolated on flood off bcast_flood off".split())
                local.write_text("0")
                _nft("delete table ip sbxt_back\n" + "".join(f"delete table {one} {self.table}\n" for one in families))
        wait_until(lambda: all(self._whole(one) for one in families), "the tables put back", 10)

    def _bridge_ports(self) -> list[str]:
        return run("ip", "-o", "link", "show", "master", self.bridge).splitlines()

    def _whole(self, family: str) -> bool:
        done = subprocess.run(["nft", "list", "table", family, self.table], capture_output=True, check=False)
        return done.returncode == 0 and done.stdout.count(b"jump") + done.stdout.count(b"accept") >= 2


_DECIDING = ("from_sandbox", "to_sandbox", "to_host", "prerouting")


def _nft(text: str) -> None:
    done = subprocess.run(["nft", "-f", "-"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
