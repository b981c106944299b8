"""The reverse proxy in front of real sandboxes: pages, other ports, upgrades, and names that nothing is behind."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest
from support.images import PAGE, WEB
from support.instance import Instance, free_port
from support.waiting import wait_until

# Says hello in another protocol, then sends back what comes.
ECHO = r"""
cat > /tmp/echo <<'END'
while read -r line; do [ ${#line} -le 1 ] && break; done
printf 'HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n'
exec cat
END
httpd -p 8000 -h /www
exec nc -ll -p 8001 -e /bin/sh /tmp/echo
"""


@pytest.fixture(scope="module")
def proxied() -> Iterator[tuple[Instance, int]]:
    """A platform whose reverse proxy has a port of its own."""
    port = free_port()
    instance = Instance(environment={"SANDBOXD_PROXY_LISTEN": f"127.0.0.1:{port}"})
    try:
        instance.up()
        yield instance, port
    finally:
        problems = instance.destroy()
    assert not problems, "left behind:\n" + "\n".join(problems)


def ask(port: int, host: str, path: str = "/") -> httpx.Response:
    """One GET through the proxy."""
    return httpx.get(f"http://127.0.0.1:{port}{path}", headers={"Host": host}, timeout=20, trust_env=False)


def upgrade(port: int, host: str, text: bytes) -> bytes:
    """What comes back of `text` after the connection's protocol was switched; empty when it was not."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        head = f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
        connection.sendall(head.encode())
        stream = connection.makefile("rb")
        if not stream.readline().startswith(b"HTTP/1.1 101"):
            return b""
        while stream.readline() not in (b"\r\n", b""):
            pass
        connection.sendall(text)
        return stream.read(len(text))


@pytest.mark.parametrize("handler", ["runsc", "runc"])
def test_names_lead_to_sandboxes(proxied: tuple[Instance, int], name: str, handler: str) -> None:
    platform, port = proxied
    platform.create(name, image=WEB, ports=(8000,), runtime=handler)
    platform.wait_phase(name, "Running")
    page = wait_until(
        lambda: (found := ask(port, f"{name}.localhost:{port}")).status_code == 200 and found, "a page", 20
    )
    assert page.text == PAGE
    assert ask(port, f"{name.upper()}.LOCALHOST").text == PAGE
    assert ask(port, f"8000-{name}.localhost").text == PAGE
    assert ask(port, f"{name}.localhost", "/none").status_code == 404  # the sandbox's own word
    for host in (f"8001-{name}.localhost", "nobody.localhost", f"x.{name}.localhost"):
        refused = ask(port, host)
        wanted = "no subdomain in request" if host.startswith("x.") else "sandbox unavailable"
        assert (refused.status_code, refused.text) == (502, wanted), host
    platform.delete(name)
    platform.wait_gone(name)
    assert ask(port, f"{name}.localhost").status_code == 502


def test_other_protocols_are_tunnelled(proxied: tuple[Instance, int], name: str) -> None:
    platform, port = proxied
    platform.create(name, shell=ECHO, ports=(8000, 8001))
    platform.wait_phase(name, "Running")
    host = f"8001-{name}.localhost"
    text = bytes(range(256)) * 1000
    assert wait_until(lambda: upgrade(port, host, text), "the echo", 20) == text
    assert ask(port, f"{name}.localhost").status_code == 502  # two ports, and neither is the main one
    platform.delete(name)
    platform.wait_gone(name)
