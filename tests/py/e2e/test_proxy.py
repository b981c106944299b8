"""The reverse proxy in front of real sandboxes: pages, other ports, upgrades, and names that nothing is behind."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import struct
import threading
from collections.abc import Iterator
from typing import BinaryIO

import httpx
import pytest
from support import images, static_program
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


# Says how many bytes came and what they were.
COUNT = r"""
mkdir -p /tmp/www/cgi-bin
cat > /tmp/www/cgi-bin/sum <<'END'
#!/bin/sh
sum=$(busybox sha256sum)
printf 'Content-Type: text/plain\r\n\r\n%s\n' "$sum"
END
busybox chmod 755 /tmp/www/cgi-bin/sum
exec httpd -f -p 8000 -h /tmp/www
"""
UPLOAD = 100 << 20
# Sends a body back while it comes: as many bytes as were announced, or the chunks as they are.
MIRROR = r"""
cat > /tmp/mirror <<'END'
how='Transfer-Encoding: chunked'
while read -r line; do
  [ ${#line} -le 1 ] && break
  case "$line" in Content-Length:*) how=${line%?} size=${line#*: } size=${size%?};; esac
done
printf 'HTTP/1.1 200 OK\r\n%s\r\n\r\n' "$how"
[ -z "$size" ] || exec head -c "$size"
exec cat
END
exec nc -ll -p 8000 -e /bin/sh /tmp/mirror
"""
MIRRORED = 64 << 20
SOCKETS = "sandboxd.test/web-socket:1"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # and its accept are the example of RFC 6455, section 1.3
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


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
    platform.create(name, image=WEB, ports=(8000,), runtime=handler, cpu="200m")
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
    platform.create(name, shell=ECHO, ports=(8000, 8001), cpu="200m")
    platform.wait_phase(name, "Running")
    host = f"8001-{name}.localhost"
    text = bytes(range(256)) * 1000
    assert wait_until(lambda: upgrade(port, host, text), "the echo", 20) == text
    assert ask(port, f"{name}.localhost").status_code == 502  # two ports, and neither is the main one
    platform.delete(name)
    platform.wait_gone(name)


def send_frame(connection: socket.socket, first: int, data: bytes) -> None:
    """One masked frame of a client; `first` is its first byte."""
    size = len(data)
    if size < 126:
        head = bytes([first, 0x80 | size])
    elif size < 65536:
        head = bytes([first, 0x80 | 126]) + struct.pack(">H", size)
    else:
        head = bytes([first, 0x80 | 127]) + struct.pack(">Q", size)
    mask = os.urandom(4)
    masked = (int.from_bytes(data, "big") ^ int.from_bytes((mask * (size // 4 + 1))[:size], "big")).to_bytes(
        size, "big"
    )
    connection.sendall(head + mask + masked)


def read_frame(stream: BinaryIO) -> tuple[int, bytes]:
    """First byte and payload of a server's frame."""
    first, size = stream.read(2)
    if size in (126, 127):
        size = struct.unpack(">H" if size == 126 else ">Q", stream.read(2 if size == 126 else 8))[0]
    return first, stream.read(size)


def open_web_socket(port: int, host: str) -> tuple[socket.socket, BinaryIO] | None:
    """A WebSocket through the proxy; None while nothing is behind it."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    head = f"GET /chat HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    connection.sendall(f"{head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n".encode())
    stream = connection.makefile("rb")
    lines = list(iter(stream.readline, b"\r\n"))[:50] if b"101" in (status := stream.readline()) else []
    if not lines:
        assert b"502" in status, status
        connection.close()
        return None
    assert any(line.lower() == f"sec-websocket-accept: {ACCEPT}\r\n".lower().encode() for line in lines), lines
    return connection, stream


@pytest.mark.parametrize("handler", ["runsc", "runc"])
def test_web_socket_frames_go_through(proxied: tuple[Instance, int], name: str, handler: str) -> None:
    assert (
        base64.b64encode(hashlib.sha1(f"{KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest())
        == ACCEPT.encode()
    )
    platform, port = proxied
    if not platform.has_image(SOCKETS):
        program = static_program.build("web_socket_echo.c", platform.root / "echo")
        archive = platform.root / "echo.tar"
        images.write_archive(archive, SOCKETS, ["/echo", "8000", ACCEPT], {"echo": program})
        platform.ctr("images", "import", str(archive))
    platform.create(name, image=SOCKETS, ports=(8000,), runtime=handler, cpu="200m")
    platform.wait_phase(name, "Running")
    connection, stream = wait_until(lambda: open_web_socket(port, f"{name}.localhost"), "a WebSocket", 20)
    with connection, stream:
        for first, data in ((0x81, b"text"), (0x82, os.urandom(1000)), (0x82, os.urandom(300_000)), (0x81, b"")):
            send_frame(connection, first, data)
            assert read_frame(stream) == (first, data)
        send_frame(connection, 0x01, b"in two ")  # a message in two frames, with a ping between them
        send_frame(connection, 0x89, b"are you there")
        send_frame(connection, 0x80, b"frames")
        assert [read_frame(stream) for _ in range(3)] == [
            (0x01, b"in two "),
            (0x8A, b"are you there"),
            (0x80, b"frames"),
        ]
        send_frame(connection, 0x88, struct.pack(">H", 1000))
        assert read_frame(stream) == (0x88, struct.pack(">H", 1000))
        assert stream.read(1) == b"", "the connection ends with the close"
    platform.delete(name)
    platform.wait_gone(name)


def test_a_large_upload_comes_whole(proxied: tuple[Instance, int], name: str) -> None:
    platform, port = proxied
    platform.create(name, shell=COUNT, ports=(8000,), runtime="runc", cpu="1000m")
    platform.wait_phase(name, "Running")
    host = f"{name}.localhost"
    wait_until(lambda: ask(port, host, "/").status_code == 404, "the server", 20)
    data = os.urandom(1 << 20) * (UPLOAD >> 20)
    url = f"http://127.0.0.1:{port}/cgi-bin/sum"
    answer = httpx.post(url, headers={"Host": host}, content=data, timeout=120, trust_env=False)
    assert (answer.status_code, answer.text.split()[0]) == (200, hashlib.sha256(data).hexdigest())
    platform.delete(name)
    platform.wait_gone(name)


def send_body(connection: socket.socket, piece: bytes, count: int, chunked: bool) -> None:
    """The same piece again and again."""
    framed = b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece
    for _ in range(count):
        connection.sendall(framed)
    if chunked:
        connection.sendall(b"0\r\n\r\n")


def read_body(stream: BinaryIO) -> Iterator[bytes]:
    """The pieces of one answer's body; the connection stays as it is behind it."""
    head = list(iter(stream.readline, b"\r\n"))
    assert head and head[0].startswith(b"HTTP/1.1 200"), head
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in head[1:])}
    if b"content-length" in fields:
        left = int(fields[b"content-length"])
        while left > 0 and (piece := stream.read(min(left, 1 << 20))):
            left -= len(piece)
            yield piece
        return
    assert fields[b"transfer-encoding"] == b"chunked"
    while size := int(stream.readline(), 16):
        yield stream.read(size)
        assert stream.readline() == b"\r\n"
    assert stream.readline() == b"\r\n"


@pytest.mark.parametrize("handler", ["runsc", "runc"])
def test_a_body_comes_back_while_it_is_sent(proxied: tuple[Instance, int], name: str, handler: str) -> None:
    platform, port = proxied
    platform.create(name, shell=MIRROR, ports=(8000,), runtime=handler, cpu="1000m")
    platform.wait_phase(name, "Running")
    piece = os.urandom(1 << 20)
    count = MIRRORED // len(piece)
    wanted = hashlib.sha256(piece * count).hexdigest()
    head = f"POST / HTTP/1.1\r\nHost: {name}.localhost\r\n".encode()
    hello = head + b"Content-Length: 5\r\n\r\nhello"

    def mirrors() -> bool:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as one:
            one.sendall(hello)
            return one.makefile("rb").readline().startswith(b"HTTP/1.1 200")

    wait_until(mirrors, "the server", 20)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection, connection.makefile("rb") as stream:
        for chunked in (False, True):
            framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {MIRRORED}"
            connection.sendall(head + f"{framing}\r\n\r\n".encode())
            sender = threading.Thread(target=send_body, args=(connection, piece, count, chunked))
            sender.start()
            sum_of_it = hashlib.sha256()
            for got in read_body(stream):
                sum_of_it.update(got)
            sender.join()
            assert sum_of_it.hexdigest() == wanted
        connection.sendall(hello)  # both directions ended in order: the connection goes on
        assert b"".join(read_body(stream)) == b"hello"
    platform.delete(name)
    platform.wait_gone(name)
